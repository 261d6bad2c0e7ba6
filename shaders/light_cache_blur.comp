// Turns gathered sums into the cache images: means, blurred along the skin by Gaussians of two widths.
// One axis of the texture square a call. The weights use distances in space and the area a texel stands for, so that
// the width is in metres of skin wherever the UV map stretches; it is wider in colours that travel further below the skin.

#include "light_cache.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = 0, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = 1, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = 2, scalar) buffer HalfBlurred { BlurredLight half_blurred[]; };
layout(set = 0, binding = 3, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = 4, rgba16f) uniform writeonly image2D cache_images[CACHE_IMAGES];

BlurredLight load_light(uint at)
{
#if AXIS == 0
    GatheredLight g = gathered[at];
    float n = 1.0 / float(state.first_sample + state.samples);
    vec3 irradiance = g.irradiance * n + g.environment;
    return BlurredLight(irradiance, g.ambient_visibility * n, g.environment, g.thickness * n, g.moment * n, g.transmission * n, irradiance);
#else
    return half_blurred[at];
#endif
}

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= CACHE_SIZE * CACHE_SIZE || points[i].traced == 0u) return;
    ivec2 here = ivec2(i % CACHE_SIZE, i / CACHE_SIZE);
    vec3 p = points[i].position;

    vec3 path = max(points[i].mean_free_path, vec3(1e-5));
    vec3 narrow_falloff = -0.5 / (SIGMA_NARROW * SIGMA_NARROW * path * path);
    vec3 wide_falloff = -0.5 / (SIGMA_WIDE * SIGMA_WIDE * path * path);
    BlurredLight sum = BlurredLight(vec3(0.0), 0.0, vec3(0.0), 0.0, vec3(0.0), vec3(0.0), vec3(0.0));
    vec3 narrow_total = vec3(0.0), wide_total = vec3(0.0);
    for (int step = -BLUR_TAPS; step <= BLUR_TAPS; ++step) {
#if AXIS == 0
        ivec2 there = here + ivec2(step, 0);
#else
        ivec2 there = here + ivec2(0, step);
#endif
        if (any(lessThan(there, ivec2(0))) || any(greaterThanEqual(there, ivec2(CACHE_SIZE)))) continue;
        uint at = uint(there.y) * CACHE_SIZE + uint(there.x);
        if (points[at].traced == 0u) continue;
        vec3 d = points[at].position - p;
        float d2 = dot(d, d);
        vec3 wide = points[at].area * exp(d2 * wide_falloff);
        if (wide.r <= 0.0) continue;
        vec3 narrow = points[at].area * exp(d2 * narrow_falloff);
        BlurredLight light = load_light(at);
        wide_total += wide;
        sum.wide += wide * light.wide;
        narrow_total += narrow;
        sum.narrow += narrow * light.narrow;
        // What has no colour spreads as red does.
        sum.ambient_visibility += narrow.r * light.ambient_visibility;
        sum.environment += narrow.r * light.environment;
        sum.thickness += narrow.r * light.thickness;
        sum.moment += narrow.r * light.moment;
        sum.transmission += narrow.r * light.transmission;
    }
    if (points[i].area <= 0.0 && any(lessThanEqual(narrow_total, 1e-4 * wide_total))) { // in the gutter, far from the island
        sum = load_light(i);
        narrow_total = wide_total = vec3(1.0);
    }
    sum.narrow /= narrow_total;
    sum.wide /= wide_total;
    float n = 1.0 / narrow_total.r;
    sum.ambient_visibility *= n;
    sum.environment *= n;
    sum.thickness *= n;
    sum.moment *= n;
    sum.transmission *= n;
#if AXIS == 0
    half_blurred[i] = sum;
#else
    imageStore(cache_images[CACHE_NARROW], here, vec4(sum.narrow, sum.ambient_visibility));
    imageStore(cache_images[CACHE_WIDE], here, vec4(sum.wide, sum.thickness));
    imageStore(cache_images[CACHE_ENVIRONMENT], here, vec4(sum.environment, 0.0));
    imageStore(cache_images[CACHE_MOMENT], here, vec4(sum.moment, 0.0));
    imageStore(cache_images[CACHE_TRANSMISSION], here, vec4(sum.transmission, 0.0));
#endif
}
