// What every pixel shows that is not face: a diffuse base under lights and gathered surroundings, and a GGX lobe for every light,
// dimmed by the share of it that is seen. Polished parts mirror what is there. CLEAR 1 draws what has transmission, over a copy of
// all that is opaque.

#include "random.glsl"
#include "scene.glsl"
#include "surface.glsl"
#include "features.glsl"
#include "light_cache.glsl"
#include "dealt_rows.glsl"
#include "own_thread.glsl"
#include "radiance.glsl"
#include "visible.glsl"
#include "background.glsl"

layout(local_size_x = TILE_PIXELS) in;

VISIBLE(SLOT_TRIANGLES, triangles);
layout(set = 0, binding = SLOT_BACKGROUND_PARTS, scalar) readonly buffer BackgroundParts { BackgroundPart background_parts[]; };
layout(set = 0, binding = SLOT_VERTEX_LIGHTS, scalar) readonly buffer VertexLights { VertexLight vertex_lights[]; };
layout(set = 0, binding = SLOT_RADIANCE, scalar) writeonly buffer TileRadiance { uvec2 radiance[]; };

// Light that was gathered at the vertices around.
struct Gathered {
    vec3 irradiance; // without what lights bring
    float ambient_visibility;
    vec4 shares[2]; // of the lights, that are seen
};

Gathered gathered_at(uint part, uint triangle, vec2 barycentric)
{
    vec3 weights = vec3(1.0 - barycentric.x - barycentric.y, barycentric);
    uint at = parts[part].first_index + 3u * triangle;
    Gathered g = Gathered(vec3(0.0), 0.0, vec4[2](vec4(0.0), vec4(0.0)));
    for (uint k = 0u; k < 3u; ++k) {
        VertexLight light = vertex_lights[int(indices[at + k]) + background_parts[part].light_shift];
        g.irradiance += weights[k] * light.irradiance;
        g.ambient_visibility += weights[k] * light.ambient_visibility;
        g.shares[0] += weights[k] * unpackUnorm4x8(light.shares.x);
        g.shares[1] += weights[k] * unpackUnorm4x8(light.shares.y);
    }
    return g;
}

float share_seen(Gathered g, uint light) { return light < 4u ? g.shares[0][light] : g.shares[1][min(light, LIGHT_SHARES - 1u) - 4u]; }

#include "polished.glsl"

#if CLEAR
VISIBLE_DEPTHS(SLOT_DEPTHS, depths); // of the clear parts
layout(set = 0, binding = SLOT_OPAQUE, scalar) readonly buffer OpaqueRadiance { uvec2 opaque_radiance[]; };
VISIBLE_DEPTHS(SLOT_OPAQUE_DEPTHS, opaque_depths);

// What is opaque stands before it, or the face behind it: what has depth but no radiance.
bool hides_clear(uvec2 at, uvec2 opaque)
{
    float behind = visible_depth(opaque_depths, at);
    return visible_depth(depths, at) > behind || (behind < 1.0 && !is_drawn(opaque));
}

// What is opaque, at a place from (0, 0) to (1, 1) of the picture.
vec4 opaque_around(vec2 at)
{
    vec2 place = at * vec2(frame.size) - 0.5, low = floor(place), f = place - low;
    vec4 sum = vec4(0.0);
    for (int k = 0; k < 4; ++k) {
        ivec2 corner = ivec2(k & 1, k >> 1), xy = clamp(ivec2(low) + corner, ivec2(0), ivec2(frame.size) - 1);
        vec2 weight = mix(1.0 - f, f, vec2(corner));
        sum += weight.x * weight.y * unpack_radiance(opaque_radiance[surface_index(uvec2(xy), frame.tiles_x)]);
    }
    return sum;
}

// What a ray that has entered the clear body at `position` runs into: looked for in the picture of opaque things, by
// stepping to the depth of what is drawn where the ray has come to so far. Exact for planes that face the camera,
// and quick to settle for others; where it meets nothing, or something in front of the body, it stops at the last find.
vec3 seen_through(ivec2 pixel, vec3 position, vec3 direction, float passed)
{
    float start = dot(position - frame.camera_origin, frame.camera_forward);
    float per_depth = 1.0 / max(dot(direction, frame.camera_forward), 0.05);
    vec2 at = (vec2(pixel) + 0.5) / vec2(frame.size);
    float d = visible_depth(opaque_depths, pixel);
    if (d >= 1.0) return backdrop(normalize(position - frame.camera_origin));
    for (int i = 0; i < 5; ++i) {
        vec3 reached = position + direction * ((view_depth(d) - start) * per_depth);
        vec4 clip = frame.view_projection * vec4(reached, 1.0);
        vec2 next = clip.xy / clip.w * 0.5 + 0.5;
        ivec2 there = clamp(ivec2(next * vec2(frame.size)), ivec2(0), ivec2(frame.size) - 1);
        float found = visible_depth(opaque_depths, there);
        bool nothing = found >= 1.0 || opaque_around(next).a < 0.5; // or face
        if (any(notEqual(next, clamp(next, 0.0, 1.0))) || nothing || view_depth(found) < start) break;
        at = next;
        d = found;
    }
    vec4 found = opaque_around(at);
    return passed * found.rgb / max(found.a, 0.01); // beside face and nothing: the share that is something
}
#endif

vec3 shaded(uvec2 xy, uvec2 shown)
{
    float depth;
    vec3 ray = camera_ray(vec2(xy) + 0.5 + frame.jitter);
    vec2 barycentric = barycentric_seen(shown.x, shown.y, ray, depth);
    Surface s = load_surface(shown.x, shown.y, barycentric, depth * frame.pixel_angle);
    Gathered gathered = gathered_at(shown.x, shown.y, barycentric);
    vec3 view = -normalize(ray);
    face_viewer(s, view);
    Lobe lobe = surface_lobe(s);
    mat3 tangent_space = basis_around(s.normal);
    vec3 wo = view * tangent_space;

    bool polished = background_parts[shown.x].polished != 0u;
    Polish polish;
    if (polished) {
        seed_random(xy.y * frame.size.x + xy.x, frame.sample_index, frame.seed + shown.x + 1u);
        polish = polish_at(s, view, wo, tangent_space, lobe);
    }
    vec3 irradiance = vec3(0.0), highlight = vec3(0.0);
    for (uint i = 0u; i < frame.disc_count; ++i) {
        Disc disc = load_disc(i);
        SeenDisc seen;
        float share = share_seen(gathered, disc.light);
        if (share == 0.0 || !see_disc(disc, s.position, s.normal, seen)) continue;
        vec3 arriving = seen.above * seen.irradiance;
        irradiance += share * seen.cosine * base_leave(lobe, seen.cosine) * arriving;
        if (polished) {
            if (keeps_shape(disc.light, s.position, lobe)) continue;
#if RAYS
            float distance = disc.kind == LIGHT_DIRECTIONAL ? LIGHT_FAR : length(disc.place - s.position);
            share = is_open(polish.origin, seen.direction, distance) ? 1.0 : 0.0;
#endif
        }
        vec3 wi = seen.direction * tangent_space;
        if (wo.z > 0.0 && wi.z > 0.0)
            highlight += share * arriving * seen.spread * specular_eval_wide(lobe, wo.z, wi.z, half_vectors(wo, wi, seen.width));
    }
    irradiance = gathered.irradiance + base_normalization(lobe) * irradiance;
    vec3 gain = specular_gain(lobe, wo.z);
    highlight *= gain;
    vec3 color = lobe.base / PI * base_leave(lobe, wo.z) * irradiance;
#if CLEAR
    vec3 behind = seen_through(ivec2(xy), s.position, refract(-view, s.normal, 1.0 / s.ior), background_parts[shown.x].passed);
    color = mix(color, behind * base_leave(lobe, wo.z), s.transmission);
#endif
    if (polished) color += highlight + mirrored(polish, lobe, gathered, irradiance, color);
    else
        color += highlight
               + environment_blurred(reflect(-view, s.normal), s.roughness) * specular_albedo(lobe, wo.z) * gain * gathered.ambient_visibility;
    color += s.emission;
    return vec3(half_range(color.r), half_range(color.g), half_range(color.b));
}

void main()
{
    uvec2 xy = DEALT_TILE * TILE + own_position(TILE);
    if (any(greaterThanEqual(xy, frame.size))) return;
    uint at = surface_index(xy, frame.tiles_x);
    uvec2 shown = visible_triangle(triangles, xy), halves = uvec2(0u);
#if CLEAR
    halves = opaque_radiance[at];
    if (shown.x != NO_PART && !hides_clear(xy, halves)) halves = pack_radiance(shaded(xy, shown));
#else
    if (shown.x != NO_PART && parts[shown.x].face == 0u) halves = pack_radiance(shaded(xy, shown));
#endif
    radiance[at] = halves;
}
