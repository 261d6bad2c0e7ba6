// Turns gathered sums into the cache images: means, blurred along the skin by Gaussians of two widths.
// One axis of the texture square a call. The weights use distances in space and the area a texel stands for, so that
// the width is in metres of skin wherever the UV map stretches; it is wider in colours that travel further below the skin.

#include "light_cache.glsl"

layout(local_size_x = 64) in;

layout(set = 0, binding = 0, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = 1, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = 2, scalar) buffer HalfBlurred { BlurredLight half_blurred[]; };
layout(set = 0, binding = 3, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = 4, rgba16f) uniform writeonly image2D cache_images[COARSE_IMAGES];

BlurredLight load_light(uint at)
{
#if AXIS == 0
    GatheredLight g = gathered[at];
    float n = 1.0 / float(state.first_sample + state.samples);
    float around = 1.0 / max(g.looks, 1e-6), inward = 1.0 / max(g.looks_inward, 1.0);
    // Of what is open on average, less what chance made of it: nothing is left to chance where all is open.
    float visibility = g.ambient_visibility * around;
    vec3 opening = (g.open - visibility * visibility * g.looked) * around;
    // Looks that were kept saw nothing of what moved lights bring.
    vec3 reflected = g.reflected * (state.kept != 0u ? n : around);
    vec3 transmission = g.transmission * (state.kept != 0u ? n : inward);
    vec3 moment = g.moment * n + g.sky_moment * around;
    float thickness = g.looks_inward > 0.0 ? g.thickness * inward : THICKNESS_MAX;
    return BlurredLight(reflected, visibility, thickness, moment, transmission, opening, g.lights * n + reflected + g.environment);
#else
    return half_blurred[at];
#endif
}

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= TEXELS || points[i].traced == 0u) return;
    ivec2 here = ivec2(i % CACHE_SIZE, i / CACHE_SIZE);
    vec3 p = points[i].position;

    vec3 path = max(points[i].mean_free_path, vec3(1e-5));
    vec3 narrow_falloff = -0.5 / (SIGMA_NARROW * SIGMA_NARROW * path * path);
    vec3 wide_falloff = -0.5 / (SIGMA_WIDE * SIGMA_WIDE * path * path);
    BlurredLight sum = BlurredLight(vec3(0.0), 0.0, 0.0, vec3(0.0), vec3(0.0), vec3(0.0), vec3(0.0));
    vec3 narrow_total = vec3(0.0), wide_total = vec3(0.0);
    float reach = BLUR_REACH * SIGMA_WIDE * max(path.r, max(path.g, path.b));
    for (int side = 0; side < 2; ++side) {
        for (int step = side; step <= BLUR_TAPS; ++step) {
            ivec2 there = here;
            there[AXIS] += side == 0 ? step : -step;
            if (there[AXIS] < 0 || there[AXIS] >= CACHE_SIZE) break;
            uint at = uint(there.y) * CACHE_SIZE + uint(there.x);
            if (points[at].traced == 0u) continue;
            vec3 d = points[at].position - p;
            float d2 = dot(d, d);
            if (d2 > reach * reach) break;
            vec3 wide = points[at].area * exp(d2 * wide_falloff);
            vec3 narrow = points[at].area * exp(d2 * narrow_falloff);
            BlurredLight light = load_light(at);
            wide_total += wide;
            sum.wide += wide * light.wide;
            narrow_total += narrow;
            sum.narrow += narrow * light.narrow;
            // What has no colour spreads as red does.
            sum.ambient_visibility += narrow.r * light.ambient_visibility;
            sum.thickness += narrow.r * light.thickness;
            sum.moment += narrow.r * light.moment;
            sum.transmission += narrow.r * light.transmission;
            sum.opening += narrow.r * light.opening;
        }
    }
    if (points[i].area <= 0.0 && any(lessThanEqual(narrow_total, 1e-4 * wide_total))) { // in the gutter, far from the island
        sum = load_light(i);
        narrow_total = wide_total = vec3(1.0);
    }
    sum.narrow /= narrow_total;
    sum.wide /= wide_total;
    float n = 1.0 / narrow_total.r;
    sum.ambient_visibility *= n;
    sum.thickness *= n;
    sum.moment *= n;
    sum.transmission *= n;
    sum.opening *= n;
#if AXIS == 0
    half_blurred[i] = sum;
#else
    imageStore(cache_images[CACHE_NARROW], here, vec4(sum.narrow / state.unit, sum.ambient_visibility));
    imageStore(cache_images[CACHE_WIDE], here, vec4(sum.wide / state.unit, sum.thickness));
    imageStore(cache_images[CACHE_MOMENT], here, vec4(sum.moment / state.unit, 0.0));
    imageStore(cache_images[CACHE_TRANSMISSION], here, vec4(sum.transmission / state.unit, 0.0));
    imageStore(cache_images[CACHE_OPENING], here, vec4(sum.opening, 0.0));
#endif
}
