// Makes the cache images: means blurred along the skin by Gaussians of two widths, one axis of the texture square a call.
// The weights use distances in space and the area a texel stands for, so that the width is in metres of skin wherever the
// UV map stretches; it is wider in colours that travel further below the skin.

#include "light_cache.glsl"
#include "texels.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = SLOT_POINTS, scalar) readonly buffer Points { CachePoint points[]; };
TEXELS(SLOT_PLACES, places);
TEXELS(SLOT_SOURCE, source); // planes, as light_cache_means.comp makes them
#if AXIS == 0
layout(set = 0, binding = SLOT_TARGET, scalar) writeonly buffer Target { vec4 target[]; };
#else
layout(set = 0, binding = SLOT_TARGET, rgba16f) uniform writeonly image2D target[COARSE_IMAGES];
#endif
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };

vec4 plane(uint image, uint at) { return texel(source, image * TEXELS + at); }

void main()
{
    uint i = POINT;
    if (i >= TEXELS) return;
    vec4 place = texel(places, i);
    if (place.w < 0.0) return;
    ivec2 here = ivec2(i % CACHE_SIZE, i / CACHE_SIZE);

    vec3 path = max(points[i].mean_free_path, vec3(1e-5));
    vec3 narrow_falloff = -0.5 / (SIGMA_NARROW * SIGMA_NARROW * path * path);
    vec3 wide_falloff = -0.5 / (SIGMA_WIDE * SIGMA_WIDE * path * path);
    vec4 sums[COARSE_IMAGES];
    for (uint image = 0u; image < COARSE_IMAGES; ++image) sums[image] = vec4(0.0);
    vec3 narrow_total = vec3(0.0), wide_total = vec3(0.0);
    float reach = BLUR_REACH * SIGMA_WIDE * max(path.r, max(path.g, path.b));
    for (int side = 0; side < 2; ++side) {
        for (int step = side; step <= BLUR_TAPS; ++step) {
            ivec2 there = here;
            there[AXIS] += side == 0 ? step : -step;
            if (there[AXIS] < 0 || there[AXIS] >= CACHE_SIZE) break;
            uint at = uint(there.y) * CACHE_SIZE + uint(there.x);
            vec4 other = texel(places, at);
            if (other.w < 0.0) continue;
            vec3 d = other.xyz - place.xyz;
            float d2 = dot(d, d);
            if (d2 > reach * reach) break;
            vec3 wide = other.w * exp(d2 * wide_falloff);
            vec3 narrow = other.w * exp(d2 * narrow_falloff);
            wide_total += wide;
            narrow_total += narrow;
            // What has no colour spreads as red does.
            sums[CACHE_WIDE] += vec4(wide, narrow.r) * plane(CACHE_WIDE, at);
            sums[CACHE_MOMENT] += narrow.r * plane(CACHE_MOMENT, at);
            if (state.still != 0u) continue;
            sums[CACHE_NARROW] += vec4(narrow, narrow.r) * plane(CACHE_NARROW, at);
            sums[CACHE_TRANSMISSION] += narrow.r * plane(CACHE_TRANSMISSION, at);
            sums[CACHE_OPENING] += narrow.r * plane(CACHE_OPENING, at);
        }
    }
    if (place.w <= 0.0 && any(lessThanEqual(narrow_total, 1e-4 * wide_total))) { // in the gutter, far from the island
        for (uint image = 0u; image < COARSE_IMAGES; ++image) sums[image] = plane(image, i);
        narrow_total = wide_total = vec3(1.0);
    }
    sums[CACHE_NARROW] /= vec4(narrow_total, narrow_total.r);
    sums[CACHE_WIDE] /= vec4(wide_total, narrow_total.r);
    float n = 1.0 / narrow_total.r;
    sums[CACHE_MOMENT] *= n;
    sums[CACHE_TRANSMISSION] *= n;
    sums[CACHE_OPENING] *= n;
#if AXIS == 0
    for (uint image = 0u; image < COARSE_IMAGES; ++image) target[image * TEXELS + i] = sums[image];
#else
    float per_unit = 1.0 / state.unit; // of all but the shares and lengths in the fourth channel, and the directions
    vec4 unit = vec4(vec3(per_unit), 1.0);
    imageStore(target[CACHE_WIDE], here, unit * sums[CACHE_WIDE]);
    imageStore(target[CACHE_MOMENT], here, vec4(per_unit * sums[CACHE_MOMENT].xyz, points[i].to_border));
    if (state.still != 0u) return; // lights have moved, nothing else: what surfaces reflect and let through comes later
    imageStore(target[CACHE_NARROW], here, unit * sums[CACHE_NARROW]);
    imageStore(target[CACHE_TRANSMISSION], here, unit * sums[CACHE_TRANSMISSION]);
    imageStore(target[CACHE_OPENING], here, sums[CACHE_OPENING]);
#endif
}
