// Gathers the light that arrives at every cache point from one direction, or from one place on a light: what light_cache.rgen
// asks rays, this asks the depth maps of that view. All points share a view, so that a map serves them all.

#include "random.glsl"
#include "scene.glsl"
#include "light_cache.glsl"
#include "light_gathering.glsl"
#include "light_maps.glsl"

layout(local_size_x = 64) in;

layout(push_constant, scalar) uniform PushConstants { GatherPush push; };

// What the view shows first; the same of brows, lashes and beards; the face's nearest back.
layout(set = 0, binding = SLOT_DEPTHS) uniform sampler2D depths[3];
layout(set = 0, binding = SLOT_SURFACES) uniform usampler2D surfaces[3];

// Macros, so that arrays are indexed by constants: neighbouring threads look into different maps.
#define depth_at(view, map, texel) map_depth(view, texelFetch(depths[map], texel, 0).r)
#define surface_at(map, texel) texelFetch(surfaces[map], texel, 0).rg

void main()
{
    uint i = POINT;
    bool gathers = i < state.point_count;
    uint place = i - state.point_count;
    if (!gathers && place >= FINE_TEXELS || push.of_update >= state.samples) return;
    CachePoint point = points[i];
    if (point.traced == 0u) return;
    LightView view = views[push.view];

    GatheredLight sum = no_light();
    uint looks = i < TEXELS ? 0u : look_count(i); // fine texels look for those around them
    if (state.first_sample > 0u || push.first == 0u) {
        if (gathers) sum = gathered[i];
        else sum = fine_sums(place);
    } else {
        for (uint light = 0u; light < frame.light_count; ++light)
            for (uint k = 0u; k < looks; ++k) visibility[look_place(light, i, k)] = 0u;
    }

    vec3 direction = -view.forward, radiance = view.radiance;
    if (view.kind == VIEW_LIGHT) {
        LightSample light = sample_light(load_light(view.light), point.position, view.xi);
        radiance = light.radiance;
        direction = view.perspective != 0u ? normalize(view.origin - point.position) : light.direction;
    }
    float cosine = dot(direction, point.normal);
    bool sees = false; // the light
    bool counts = view.kind == VIEW_LIGHT && (cosine > 0.0) != lit_from_behind(point, load_light(view.light));
    if (cosine > 0.0 || counts) {
        bool skin = point.face != 0u;
        float entering = skin ? base_enter(boundary_of(point), cosine).x : 1.0;
        vec3 from = point.position;
        if (point.anywhere != 0u) {
            seed_random(i, push.view, state.seed + state.first_sample);
            from += within_texel(i, point, random_vec2() - 0.5);
        }
        Spot spot = spot_of(view, from, cosine > 0.0 ? point.geometric_normal : -point.geometric_normal);
        float nearer = spot.depth - spot.bias;
        float first = spot.inside ? depth_at(view, MAP_FIRST, spot.texel) : -1.0;
        bool hidden = first >= 0.0 && first < nearer;
        bool by_hair = false;
        if (spot.inside && !hidden && (point.ray_mask & MASK_SPARSE_HAIR) != 0u) {
            float hair = depth_at(view, MAP_SPARSE_HAIR, spot.texel);
            hidden = by_hair = hair >= 0.0 && hair < nearer;
        }
        if (view.kind == VIEW_LIGHT) {
            sees = !hidden;
            if (sees) add_light(sum, direction, radiance, max(cosine, 0.0), entering);
        } else if (view.kind == VIEW_SKY) {
            add_sky(sum, direction, radiance, cosine, entering, hidden);
        } else {
            // The view shows the way in and the first way out behind it; the place is one or lies below both.
            float back = spot.inside ? depth_at(view, MAP_BACKS, spot.texel) : -1.0;
            bool below = back >= 0.0 && back < nearer;
            vec3 reflected = vec3(0.0);
            if (hidden && gathers && knows_surfaces()) {
                uvec2 other;
                if (below) other = surface_at(MAP_BACKS, spot.texel);
                else if (by_hair) other = surface_at(MAP_SPARSE_HAIR, spot.texel);
                else other = surface_at(MAP_FIRST, spot.texel);
                vec3 albedo = unpackUnorm4x8(other.y).rgb;
                // What is not face (hair, eyes, teeth) is near, and lit about as this place is. So is what lies between a
                // place within the head, as in the mouth, and the head's outside, which is all that the map shows there.
                vec3 there = sum.lights / float(state.first_sample + push.of_update + 1u) + mean_reflected(sum) + sum.environment;
                if (below) there = light_on_skin(i, unpackHalf2x16(other.x));
                Lobe lobe = boundary_of(point); // maps tell the other's albedo only
                lobe.base = albedo;
                reflected = reflectance(lobe) * there / PI;
            }
            add_around(sum, direction, 4.0 * cosine / AROUND_LOOKS, radiance, reflected, cosine, entering, hidden);
            if (gathers && skin && cosine >= 1.0 - INWARD_CONE && !below) {
                // Rays pass over a way out as near as this, and hardly ever find another one.
                float thickness = back - spot.depth < THICKNESS_MIN ? THICKNESS_MAX : min(back - spot.depth, THICKNESS_MAX);
                vec3 arriving = vec3(0.0);
                if (thickness < THICKNESS_MAX && knows_surfaces())
                    arriving = narrow_light(unpackHalf2x16(surface_at(MAP_BACKS, spot.texel).r));
                add_through(sum, point.mean_free_path, thickness, arriving);
            }
        }
    }
    if (!gathers) counts = view.kind == VIEW_LIGHT; // of vertices: what is above the horizon
    for (uint k = 0u; k < looks && counts; ++k)
        visibility[look_place(view.light, i, k)] += (gathers ? look_weight(cosine) : 1u) * one_look(sees);
    // All of the environment is looked at once an update: by its last view.
    bool complete = push.last != 0u && push.of_update + 1u == state.samples;
    vec3 sky = complete ? environment_irradiance(point.normal) : vec3(0.0);
    if (gathers) {
        if (complete) sum.environment = share_seen(sum, sky);
        sum.samples = float(state.first_sample + push.of_update + 1u);
        gathered[i] = sum;
    } else {
        fine[place] = FineLight(sum.lights, sum.seen, sum.whole, sky);
    }
}
