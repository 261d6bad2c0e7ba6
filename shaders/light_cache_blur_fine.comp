// Blurs the irradiance of lights and environment along the skin by the narrow Gaussian, at fine texels: the part of
// light_cache_blur.comp that sees sharp shadows. One axis of the texture square a call.
// The image's fourth channel is the share of the environment that is seen, blurred as little as the least blurred colour.

#include "light_cache.glsl"
#include "texels.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = SLOT_POINTS, scalar) readonly buffer Points { CachePoint points[]; };
TEXELS(SLOT_PLACES, places);
TEXELS(SLOT_SOURCE, source);
#if AXIS == 0
layout(set = 0, binding = SLOT_TARGET, scalar) writeonly buffer Target { vec4 target[]; };
#else
layout(set = 0, binding = SLOT_TARGET, rgba16f) uniform writeonly image2D target;
#endif
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };

void main()
{
    uint i = POINT;
    if (i >= FINE_TEXELS) return;
    uint first = state.point_count; // of fine texels among the places
    vec4 place = texel(places, first + i);
    if (place.w < 0.0) return;
    ivec2 here = ivec2(i % FINE_SIZE, i / FINE_SIZE);

    vec3 path = max(points[first + i].mean_free_path, vec3(1e-5));
    vec3 falloff = -0.5 / (SIGMA_NARROW * SIGMA_NARROW * path * path);
    float reach = BLUR_REACH * SIGMA_NARROW * max(path.r, max(path.g, path.b));
    vec4 sum = vec4(0.0);
    vec3 total = vec3(0.0);
    for (int side = 0; side < 2; ++side) {
        for (int step = side; step <= FINE_BLUR_TAPS; ++step) {
            ivec2 there = here;
            there[AXIS] += side == 0 ? step : -step;
            if (there[AXIS] < 0 || there[AXIS] >= FINE_SIZE) break;
            int at = there.y * FINE_SIZE + there.x;
            vec4 other = texel(places, int(first) + at);
            if (other.w < 0.0) continue;
            vec3 d = other.xyz - place.xyz;
            float d2 = dot(d, d);
            if (d2 > reach * reach) break;
            vec3 weight = other.w * exp(d2 * falloff);
            total += weight;
            sum += vec4(weight, min(weight.r, min(weight.g, weight.b))) * texel(source, at);
        }
    }
    float most = max(total.r, max(total.g, total.b));
    bool beside = place.w <= 0.0 && any(lessThanEqual(total, vec3(1e-4 * most))); // in the gutter, far from the island
    sum = beside ? texel(source, i) : sum / vec4(total, min(total.r, min(total.g, total.b)));
#if AXIS == 0
    target[i] = sum;
#else
    imageStore(target, here, vec4(sum.rgb / state.unit, sum.a));
#endif
}
