// Conventional shading: gathered irradiance on the base, a GGX lobe for every light, dimmed by the share of it that is seen.
// CLEAR 1 draws what has transmission, over a copy of all that is opaque. POLISHED 1 mirrors what is there (polished.glsl).

#include "random.glsl"
#include "scene.glsl"
#include "features.glsl"
#include "light_cache.glsl"

#include "background.glsl"

layout(push_constant, scalar) uniform PushConstants { Push push; };

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 smooth_normal;
layout(location = 2) in vec2 uv;
layout(location = 3) in vec3 irradiance;
layout(location = 4) in vec4 shares[2];
layout(location = 6) in float ambient_visibility;
layout(location = 0) out vec4 radiance;

// The share of a light that is seen from here.
float share_seen(uint light) { return light < 4u ? shares[0][light] : shares[1][min(light, LIGHT_SHARES - 1u) - 4u]; }

#if POLISHED
#include "polished.glsl"
#else
bool keeps_shape(uint light, vec3 position, Lobe lobe) { return false; }
#endif

#if CLEAR
layout(set = 0, binding = SLOT_OPAQUE) uniform sampler2D opaque_radiance;
layout(set = 0, binding = SLOT_OPAQUE_DEPTH) uniform sampler2D opaque_depth;

// What a ray that has entered the clear body at `position` runs into: looked for in the picture of opaque things, by
// stepping to the depth of what is drawn where the ray has come to so far. Exact for planes that face the camera,
// and quick to settle for others; where it meets nothing, or something in front of the body, it stops at the last find.
vec3 seen_through(vec3 position, vec3 direction)
{
    float start = dot(position - frame.camera_origin, frame.camera_forward);
    float per_depth = 1.0 / max(dot(direction, frame.camera_forward), 0.05);
    vec2 at = gl_FragCoord.xy / vec2(frame.size);
    float d = textureLod(opaque_depth, at, 0.0).r;
    if (d >= 1.0) return backdrop(normalize(position - frame.camera_origin));
    for (int i = 0; i < 5; ++i) {
        vec3 reached = position + direction * ((view_depth(d) - start) * per_depth);
        vec4 clip = frame.view_projection * vec4(reached, 1.0);
        vec2 next = clip.xy / clip.w * 0.5 + 0.5;
        float found = textureLod(opaque_depth, next, 0.0).r;
        bool nothing = found >= 1.0 || textureLod(opaque_radiance, next, 0.0).a < 0.5; // or face
        if (any(notEqual(next, clamp(next, 0.0, 1.0))) || nothing || view_depth(found) < start) break;
        at = next;
        d = found;
    }
    vec4 found = textureLod(opaque_radiance, at, 0.0);
    return push.passed * found.rgb / max(found.a, 0.01); // beside face and nothing: the share that is something
}
#endif

// How opaque a fragment must be to show, 0..1: evenly spread over a pixel's neighbours (interleaved gradient noise: Jimenez 2014)
// and over its frames (golden ratio), so that the mean of a few of either is nearly right; each part has its own.
float threshold()
{
    float spread = fract(52.9829189 * fract(dot(floor(gl_FragCoord.xy), vec2(0.06711056, 0.00583715))));
    uint turns = frame.sample_index * 2654435769u + pcg_hash(frame.seed + push.part + 1u); // in 2^-32
    return fract(spread + float(turns >> 8) * (1.0 / 16777216.0));
}

void main()
{
    bool hidden = false; // discarded at the end: derivatives need the neighbours
#if CLEAR
    // There is no depth target, whose values could not be read at the same time. What has depth but no radiance is face.
    float behind_it = texelFetch(opaque_depth, ivec2(gl_FragCoord.xy), 0).r;
    bool face = behind_it < 1.0 && texelFetch(opaque_radiance, ivec2(gl_FragCoord.xy), 0).a == 0.0;
    hidden = face || gl_FragCoord.z > behind_it;
#endif
    Material m = load_material(parts[push.part].material);
    vec2 st = vec2(uv.x, 1.0 - uv.y);
    vec3 albedo = m.albedo;
    float roughness = m.roughness;
    float opacity = push.opacity;
    if (m.albedo_map >= 0) {
        vec4 texel = texture(textures[nonuniformEXT(m.albedo_map)], st);
        albedo *= texel.rgb;
        opacity *= texel.a;
    }
    if (push.alpha_cutoff > 1.0) {
        hidden = hidden || threshold() >= opacity;
    } else if (opacity < push.alpha_cutoff) {
        hidden = true;
    }
    vec4 bump = vec4(0.5, 0.5, 1.0, 1.0);
    if (m.normal_map >= 0) bump = texture(textures[nonuniformEXT(m.normal_map)], st);
    if (m.roughness_map >= 0)
        roughness *= m.roughness_map == m.normal_map ? bump.a : texture(textures[nonuniformEXT(m.roughness_map)], st).r;
    roughness = clamp(roughness, 0.02, 1.0);
    vec3 view = normalize(frame.camera_origin - position);
    vec3 n = normalize(smooth_normal);
    if (m.normal_map >= 0) {
        vec3 t = bump.xyz * 2.0 - 1.0;
        vec3 dx = dFdx(position), dy = dFdy(position);
        vec2 du = dFdx(uv), dv = dFdy(uv);
        float det = du.x * dv.y - du.y * dv.x;
        vec3 tangent = (dx * dv.y - dy * du.y) * sign(det);
        tangent -= n * dot(n, tangent);
        if (dot(tangent, tangent) > 0.0) {
            tangent = normalize(tangent);
            vec3 bitangent = cross(n, tangent) * sign(dot(cross(n, tangent), (dy * du.x - dx * dv.x) * sign(det)));
            n = normalize((t.x * tangent + t.y * bitangent) * m.normal_scale + t.z * n);
        }
    }
    if (dot(n, view) < 0.0) n = -n;
    n = normalize(n + max(0.0, 0.02 - dot(n, view)) * view);

    Lobe lobe;
    lobe.f0 = mix(vec3(m.f0), albedo, m.metallic);
    lobe.f90 = clamp(50.0 * max(lobe.f0.x, max(lobe.f0.y, lobe.f0.z)), 0.0, 1.0);
    lobe.alpha = roughness * roughness;
    lobe.base = albedo * (1.0 - m.metallic);

    mat3 tangent_space = basis_around(n);
    vec3 wo = view * tangent_space;
#if POLISHED
    uvec2 pixel = uvec2(gl_FragCoord.xy);
    seed_random(pixel.y * frame.size.x + pixel.x, frame.sample_index, frame.seed + push.part + 1u);
    Polish polish = polish_at(position, view, wo, tangent_space, lobe);
#endif
    vec3 highlight = vec3(0.0);
    for (uint i = 0u; i < frame.disc_count; ++i) {
        Disc disc = load_disc(i);
        SeenDisc seen;
        float share = share_seen(disc.light);
        if (share == 0.0 || keeps_shape(disc.light, position, lobe) || !see_disc(disc, position, n, seen)) continue;
#if POLISHED && RAYS
        float distance = disc.kind == LIGHT_DIRECTIONAL ? LIGHT_FAR : length(disc.place - position);
        share = !hidden && is_open(polish.origin, seen.direction, distance) ? 1.0 : 0.0;
#endif
        highlight += share * seen.above * seen.irradiance * specular_eval_wide(lobe, wo, seen.direction * tangent_space, seen.width);
    }
    vec3 color = lobe.base / PI * base_leave(lobe, wo.z) * irradiance;
#if CLEAR
    vec3 behind = seen_through(position, refract(-view, n, 1.0 / m.ior));
    color = mix(color, behind * base_leave(lobe, wo.z), m.transmission);
#endif
#if POLISHED
    if (!hidden) color += highlight + mirrored(polish, lobe, color);
#else
    color += highlight + environment_blurred(reflect(-view, n), roughness) * specular_albedo(lobe, wo.z) * ambient_visibility;
#endif
    if (hidden) discard;
    color += m.emission;
    radiance = vec4(half_range(color.r), half_range(color.g), half_range(color.b), 1.0);
}
