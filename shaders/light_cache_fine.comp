// Means of what was gathered at fine texels: irradiance of lights and environment, and in the fourth channel the share of the
// environment that is seen. And of which lights enough is known there to look no more.

#include "light_cache.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = SLOT_POINTS, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = SLOT_GATHERED, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = SLOT_FINE, scalar) readonly buffer Fine { FineLight fine[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = SLOT_MEANS, scalar) writeonly buffer Means { vec4 means[]; };
layout(set = 0, binding = SLOT_AGREED, scalar) readonly buffer Agreed { SettledLights agreed[]; };
layout(set = 0, binding = SLOT_SETTLED, scalar) writeonly buffer Settled { SettledLights settled[]; };

// Lights that every ray from here and from the eight texels around has found, or none has. After SETTLING_SAMPLES rays each,
// what is seen of a light that is partly hidden is off by 1% at most, on average. Beside the face nothing is looked for, so
// its edges always look on; so do places near short hair, whose shadows are finer than a texel.
SettledLights settled_lights(uint i)
{
    bool early = state.first_sample == 0u || state.first_fine + state.samples < SETTLING_SAMPLES;
    if (early || points[state.point_count + i].anywhere != 0u) return SettledLights(0u, 0u);
    ivec2 here = ivec2(i % FINE_SIZE, i / FINE_SIZE), low = max(here - 1, 0), high = min(here + 1, FINE_SIZE - 1);
    uint lights = state.settling_lights < 32u ? (1u << state.settling_lights) - 1u : ~0u;
    SettledLights found = SettledLights(lights, lights);
    for (int y = low.y; y <= high.y; ++y) {
        for (int x = low.x; x <= high.x; ++x) {
            SettledLights other = agreed[y * FINE_SIZE + x];
            found.seen &= other.seen;
            found.hidden &= other.hidden;
        }
    }
    return found;
}

void main()
{
    uint i = POINT;
    if (i >= FINE_TEXELS || points[state.point_count + i].traced == 0u) return;
    settled[i] = settled_lights(i);
    FineLight f = fine[i];
    // A fine texel's own samples are few, and some of them lie below its horizon.
    GatheredLight around = gathered[texel_around(i)];
    float share_of_coarse = COARSE_SHARE;
    if (state.kept != 0u) share_of_coarse *= float(state.first_sample + state.samples) / max(around.looks, 1.0);
    f.seen += share_of_coarse * around.seen;
    f.whole += share_of_coarse * around.whole;
    vec3 share = min(f.seen / max(f.whole, vec3(1e-20)), vec3(1.5));
    means[i] = vec4(f.lights / float(state.first_fine + state.samples) + f.sky * share, dot(share, vec3(1.0 / 3.0)));
}
