// Means of what was gathered: at texels in the planes that light_cache_blur.comp blurs, at vertices as they are drawn with.

#include "light_cache.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = SLOT_POINTS, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = SLOT_GATHERED, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = SLOT_MEANS, scalar) writeonly buffer Means { vec4 means[]; };
layout(set = 0, binding = SLOT_VISIBILITY, scalar) readonly buffer Visibility { uint visibility[]; };
layout(set = 0, binding = SLOT_VERTEX_LIGHTS, scalar) writeonly buffer VertexLights { VertexLight vertex_lights[]; };

VertexLight mean_at_vertex(uint i, GatheredLight g)
{
    float shares[LIGHT_SHARES];
    for (uint k = 0u; k < LIGHT_SHARES; ++k) shares[k] = 0.0;
    for (uint light = 0u; light < state.light_count; ++light)
        shares[min(light, LIGHT_SHARES - 1u)] += share_of(visibility[look_index(light, vertex_place(i), state.point_count)]);
    shares[LIGHT_SHARES - 1u] /= float(max(state.light_count, LIGHT_SHARES) - LIGHT_SHARES + 1u);
    VertexLight v;
    v.irradiance = mean_reflected(g) + g.environment;
    v.ambient_visibility = g.ambient_visibility / max(g.looks, 1e-6);
    v.shares = uvec2(packUnorm4x8(vec4(shares[0], shares[1], shares[2], shares[3])),
                     packUnorm4x8(vec4(shares[4], shares[5], shares[6], shares[7])));
    return v;
}

void main()
{
    uint i = POINT;
    if (i >= state.point_count || points[i].traced == 0u) return;
    GatheredLight g = gathered[i];
    if (i >= TEXELS) {
        vertex_lights[i - TEXELS] = mean_at_vertex(i, g);
        return;
    }
    float n = 1.0 / g.samples;
    float around = 1.0 / max(g.looks, 1e-6), inward = 1.0 / max(g.looks_inward, 1.0);
    // Of what is open on average, less what chance made of it: nothing is left to chance where all is open.
    float visibility = g.ambient_visibility * around;
    vec3 opening = (g.open - visibility * visibility * g.looked) * around;
    vec3 reflected = mean_reflected(g);
    vec3 transmission = g.transmission / max(g.lit_looks_inward, 1.0);
    vec3 moment = g.moment * n + g.sky_moment * around + g.reflected_moment / max(g.lit_looks, 1e-6);
    float thickness = g.looks_inward > 0.0 ? g.thickness * inward : THICKNESS_MAX;
    means[CACHE_NARROW * TEXELS + i] = vec4(reflected, visibility); // the rest of it is blurred at fine texels
    means[CACHE_WIDE * TEXELS + i] = vec4(g.lights * n + reflected + g.environment, thickness);
    means[CACHE_MOMENT * TEXELS + i] = vec4(moment, 0.0);
    means[CACHE_TRANSMISSION * TEXELS + i] = vec4(transmission, 0.0);
    means[CACHE_OPENING * TEXELS + i] = vec4(opening, 0.0);
}
