// Radiance to display colour; numpy twin: app/scene/tonemap.py. Constants come from there.

// Khronos PBR Neutral (Khronos "PBR Neutral Specification", 2024).
vec3 pbr_neutral(vec3 color)
{
    color = max(color, vec3(0.0));
    float lowest = min(color.r, min(color.g, color.b));
    color -= lowest < 2.0 * FRESNEL_OFFSET ? lowest - lowest * lowest / (4.0 * FRESNEL_OFFSET) : FRESNEL_OFFSET;
    float peak = max(color.r, max(color.g, color.b));
    if (peak < START_COMPRESSION) return color;
    float room = 1.0 - START_COMPRESSION;
    float new_peak = 1.0 - room * room / (peak + room - START_COMPRESSION);
    float white = 1.0 - 1.0 / (DESATURATION * (peak - new_peak) + 1.0);
    return mix(color * (new_peak / peak), vec3(new_peak), white);
}

vec3 srgb_encode(vec3 linear)
{
    linear = clamp(linear, 0.0, 1.0);
    vec3 curved = 1.055 * pow(max(linear, vec3(0.0031308)), vec3(1.0 / 2.4)) - 0.055;
    return mix(curved, 12.92 * linear, lessThanEqual(linear, vec3(0.0031308)));
}

vec3 tonemap(vec3 radiance, float exposure)
{
    return srgb_encode(pbr_neutral(radiance * exposure));
}
