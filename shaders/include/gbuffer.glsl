// What a pixel of the face tells its network, from what the pixel shows: look-ups in the light cache, and light that depends
// on the viewer. Written tile-major (app/network/schema.py), for the tile hash and the tile network.

#include "scene.glsl"
#include "surface.glsl"
#include "dielectric_gain.glsl"
#include "light_cache.glsl"
#include "features.glsl"
#include "truncated.glsl"

layout(set = 0, binding = SLOT_FEATURES, scalar) writeonly buffer FeatureBuffer { uvec4 features[]; };
layout(set = 0, binding = SLOT_SURFACE, scalar) writeonly buffer SurfaceBuffer { vec2 surface[]; };
layout(set = 0, binding = SLOT_PLACES, scalar) writeonly buffer PlaceBuffer { uint places[]; };
layout(set = 0, binding = SLOT_SHARES, scalar) readonly buffer Shares { uvec2 shares[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = SLOT_CACHE) uniform sampler2D cache[CACHE_IMAGES];

#define INFINITY uintBitsToFloat(0x7f800000u)

// Where the visibility of lights is read: four shadow texels and their weights, as a bilinear look-up would choose them.
struct Texels {
    uvec4 index;
    vec4 weight;
    mat2x4 seen; // shares of the first LIGHT_SHARES lights: seldom are there more
};

// Shares that are seen of this light and those beside it.
mat2x4 shares_around(uint light, uvec4 index, vec4 weight)
{
    mat2x4 seen = mat2x4(0.0);
    for (uint k = 0u; k < 4u; ++k) {
        uvec2 bytes = shares[light / LIGHT_SHARES * SHADOW_TEXELS + index[k]];
        seen += weight[k] * mat2x4(unpackUnorm4x8(bytes.x), unpackUnorm4x8(bytes.y));
    }
    return seen;
}

Texels texels_at(vec2 light_uv)
{
    vec2 p = clamp(light_uv * float(SHADOW_SIZE) - 0.5, vec2(0.0), vec2(float(SHADOW_SIZE) - 1.001));
    uvec2 i = uvec2(truncated(p));
    vec2 f = p - vec2(i);
    uint at = i.y * SHADOW_SIZE + i.x;
    Texels t;
    t.index = uvec4(at, at + 1u, at + SHADOW_SIZE, at + SHADOW_SIZE + 1u);
    t.weight = vec4((1.0 - f.x) * (1.0 - f.y), f.x * (1.0 - f.y), (1.0 - f.x) * f.y, f.x * f.y);
    t.seen = shares_around(0u, t.index, t.weight);
    return t;
}

float light_visibility(uint light, Texels t)
{
    mat2x4 seen = t.seen;
    if (light >= LIGHT_SHARES) seen = shares_around(light, t.index, t.weight);
    vec4 four = (light & 4u) == 0u ? seen[0] : seen[1]; // of LIGHT_SHARES, 8, the lower or upper
    return (light & 2u) == 0u ? ((light & 1u) == 0u ? four.x : four.y) : ((light & 1u) == 0u ? four.z : four.w);
}

// One of a surface's two lobes of gloss.
struct Gloss {
    Lobe lobe;
    vec3 share; // of the gloss, and what several facets scatter
};

Gloss gloss_of(Surface s, Lobe lobe, float roughness, float weight, float cosine)
{
    Gloss g;
    g.lobe = lobe;
    g.lobe.alpha = roughness * roughness;
    g.share = weight * specular_gain(g.lobe, cosine);
    if (s.subsurface > 0.0 && weight > 0.0) g.share *= dielectric_gain(s.dielectric, false, g.lobe.alpha, cosine);
    return g;
}

// Schlick's approximation leaves out up to a fifth of what skin's boundary reflects.
float exact_fresnel(Surface s, Lobe lobe, float cosine)
{
    return s.subsurface > 0.0 ? fresnel_dielectric(cosine, s.ior) / max(fresnel(lobe, cosine).x, 1e-6) : 1.0;
}

// What a lobe reflects of even light. Of skin, facets of rough lobes even out what Schlick's approximation leaves out at the
// view's angle: fitted to integrated lobes of indices 1.33 to 1.5, within 2% (root mean square).
vec3 lobe_albedo(Surface s, Lobe lobe, float cosine)
{
    float exact = s.subsurface > 0.0 ? mix(exact_fresnel(s, lobe, cosine), 1.1, min(1.1 * lobe.alpha, 1.0)) : 1.0;
    return exact * specular_albedo(lobe, cosine);
}

// How much of what lies in a direction is seen from a place: the linear function over the hemisphere's disc whose mean is
// the share that is open, and whose product with the direction is `opening` on average. A disc's coordinates have variance 1/4.
float seen_towards(vec3 direction, vec3 normal, float ambient_visibility, vec3 opening)
{
    vec3 along = opening - normal * dot(normal, opening);
    return clamp(ambient_visibility + 4.0 * dot(along, direction), 0.0, 1.0);
}

// What a GGX lobe around the mirrored view shows: the environment, or, where that is hidden, other skin. Seen at a grazing
// angle the lobe gets narrower across the plane of incidence and loses its part below the horizon, so its middle lifts. Rough
// lobes reach far to the sides, where Fresnel reflectance is high: they show a share of what comes from `everywhere`. All
// factors are fitted to integrated lobes.
vec3 surroundings_mirrored(vec3 view, Surface s, float roughness, float ambient_visibility, vec3 opening, vec3 skin, vec3 everywhere)
{
    float cosine = clamp(dot(view, s.normal), 0.01, 1.0), away = 1.0 - cosine, squared = roughness * roughness;
    float away2 = away * away;
    vec3 middle = normalize(reflect(-view, s.normal) + 0.7 * squared * away2 * away2 * s.normal);
    vec3 open = environment_blurred(middle, roughness * (1.1 - 0.7 * away));
    vec3 mirrored = mix(skin, open, seen_towards(middle, s.smooth_normal, ambient_visibility, opening));
    return mix(mirrored, everywhere, max(0.5 * squared - 0.03, 0.0));
}

void write_no_face(uint tile, uint pixel)
{
    uint at = surface_index(tile, pixel);
    surface[at] = vec2(INFINITY, 0.0);
    places[at] = NO_FACE;
}

// `ray`: the pixel's camera_ray; `depth`: where along it the surface lies, which is the view-space depth.
void write_face(uint tile, uint pixel, vec3 ray, float depth, Surface s)
{
    uint at = surface_index(tile, pixel);
    vec3 view = -normalize(ray);
    if (dot(s.geometric_normal, view) <= 0.0) { // skin from within, seen through a hole in the mesh: black
        surface[at] = vec2(depth, 0.0);
        places[at] = packHalf2x16(fract(s.uv));
        for (uint k = 0u; k < FEATURE_VECTORS; ++k) features[feature_index(tile, k, pixel)] = uvec4(0u);
        return;
    }
    face_viewer(s, view);
    Lobe lobe = surface_lobe(s);
    vec2 uv = fract(s.uv);

    vec4 unit_of_light = vec4(vec3(state.unit), 1.0);
    vec4 lights_and_sky = unit_of_light * textureLod(cache[CACHE_LIGHTS], s.light_uv, 0.0);
    vec4 narrow = unit_of_light * textureLod(cache[CACHE_NARROW], s.light_uv, 0.0) + vec4(lights_and_sky.rgb, 0.0);
    vec4 wide = unit_of_light * textureLod(cache[CACHE_WIDE], s.light_uv, 0.0);
    vec4 moment_and_border = textureLod(cache[CACHE_MOMENT], s.light_uv, 0.0);
    vec3 moment = state.unit * moment_and_border.xyz;
    vec3 transmission = state.unit * textureLod(cache[CACHE_TRANSMISSION], s.light_uv, 0.0).rgb;
    vec3 opening = textureLod(cache[CACHE_OPENING], s.light_uv, 0.0).xyz;
    Texels texels = texels_at(s.light_uv);
    // Light that scatters where the skin ends is lost. What `narrow` and `wide` are of: light as it is, and as far as it spreads.
    vec3 path = max(s.mean_free_path, vec3(1e-5)), kept = vec3(1.0);
    float to_border = moment_and_border.w;
    if (to_border < BORDER_DEVIATIONS * SIGMA_WIDE * largest(path)) {
        kept = share_on_skin(to_border, SIGMA_NARROW * path);
        narrow.rgb *= kept;
        wide.rgb *= share_on_skin(to_border, SIGMA_WIDE * path);
    }

    // Sharp light: every light at the bent normal with the visibility of this place, no sampling.
    mat3 tangent_space = basis_around(s.normal);
    vec3 wo = view * tangent_space;
    Gloss first = gloss_of(s, lobe, s.roughness, 1.0 - s.second_weight, wo.z);
    Gloss second = gloss_of(s, lobe, s.second_roughness, s.second_weight, wo.z);
    vec3 irradiance = vec3(0.0), specular = vec3(0.0);
    for (uint i = 0u; i < frame.disc_count; ++i) {
        Disc disc = load_disc(i);
        SeenDisc seen;
        if (!see_disc(disc, s.position, s.normal, seen)) continue;
        float visible = light_visibility(disc.light, texels); // knows how much is above the horizon
        if (visible == 0.0) continue;
        vec3 arriving = seen.irradiance * (visible * seen.nearer);
        irradiance += arriving * base_leave(lobe, seen.cosine) * seen.cosine;
        vec3 wi = seen.direction * tangent_space;
        if (wo.z <= 0.0 || wi.z <= 0.0) continue;
        HalfVectors halves = half_vectors(wo, wi, seen.width);
        arriving *= seen.spread * exact_fresnel(s, lobe, halves.cosine);
        specular += arriving * first.share * specular_eval_wide(first.lobe, wo.z, wi.z, halves);
        if (s.second_weight > 0.0) specular += arriving * second.share * specular_eval_wide(second.lobe, wo.z, wi.z, halves);
    }
    irradiance *= base_normalization(lobe);
    vec3 sky = lights_and_sky.a * environment_irradiance(s.normal);
    irradiance += sky;
    // Skin that hides the environment is near, and lit about as this place is.
    vec3 reflecting = s.albedo * (1.0 / PI), skin = reflectance(lobe) * wide.rgb * (1.0 / PI);
    vec3 everywhere = sky * (1.0 / PI) + (1.0 - narrow.a) * skin;
    specular += first.share * lobe_albedo(s, first.lobe, wo.z)
              * surroundings_mirrored(view, s, s.roughness, narrow.a, opening, skin, everywhere);
    if (s.second_weight > 0.0)
        specular += second.share * lobe_albedo(s, second.lobe, wo.z)
                  * surroundings_mirrored(view, s, s.second_roughness, narrow.a, opening, skin, everywhere);

    // Light times albedo, as the picture needs it: a network of a few layers would have to learn to multiply.
    Features f;
    f.uv = uv;
    f.normal = frame.head_from_world * s.normal;
    f.view = frame.head_from_world * view;
    f.albedo = s.albedo;
    f.roughness = s.roughness;
    f.diffuse = reflecting * kept * irradiance;
    f.diffuse_narrow = reflecting * narrow.rgb;
    f.diffuse_wide = reflecting * wide.rgb;
    f.specular = specular;
    f.light_direction = frame.head_from_world * moment * luminance(reflecting);
    f.thickness = tanh(wide.a * (1.0 / THICKNESS_UNIT));
    f.transmission = TRANSMISSION_LEARNT * reflecting * transmission;
    f.ambient_visibility = narrow.a;

    // The pixel's own unit of light: makes the network's input the same under lights of any strength and on skin of any
    // tone. The floor keeps places in deep shadow from being all noise; it scales with the lights, too.
    float scale = luminance(light_scale_color(f)) + 0.001 * frame.light_level + 1e-20;
    float unit = 1.0 / scale;
    f.diffuse *= unit;
    f.diffuse_narrow *= unit;
    f.diffuse_wide *= unit;
    f.specular *= unit;
    f.light_direction *= unit;
    f.transmission *= unit;
    uvec4 words[FEATURE_VECTORS];
    pack_features(f, words);
    for (uint k = 0u; k < FEATURE_VECTORS; ++k) features[feature_index(tile, k, pixel)] = words[k];
    surface[at] = vec2(depth, scale);
    places[at] = words[0].x;
}
