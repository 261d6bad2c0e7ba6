// Means of what was gathered at fine texels: irradiance of lights and environment, and in the fourth channel the share of the
// environment that is seen.

#include "light_cache.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = 0, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = 1, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = 2, scalar) readonly buffer Fine { FineLight fine[]; };
layout(set = 0, binding = 3, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = 4, scalar) writeonly buffer Means { vec4 means[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= FINE_TEXELS || points[state.point_count + i].traced == 0u) return;
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
