// Temporal antialiasing: the last picture, moved to where this frame's camera sees it. Karis 2014 ("High Quality Temporal
// Supersampling"): history follows the nearest surface around a pixel, and is held to the colours that are there now.

#include "scene.glsl"
#include "features.glsl"
#include "composite.glsl"
#include "composed.glsl"
#include "dealt_rows.glsl"
#include "visible.glsl"

layout(local_size_x = TILE, local_size_y = TILE) in;

layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CompositeState state; };
VISIBLE_DEPTHS(SLOT_DEPTHS, depths);
layout(set = 0, binding = SLOT_RESOLVED) uniform sampler2D resolved; // radiance, samples
layout(set = 0, binding = SLOT_HISTORY, rgba16f) uniform writeonly image2D history;

const uint WIDTH = TILE + 2u; // a tile and the pixels around it
shared vec4 around[WIDTH * WIDTH]; // compressed colour, depth
shared uint shows_something;

// Colours are compared and bounded where bright ones do not drown all others.
vec3 compress(vec3 radiance)
{
    radiance *= frame.exposure;
    return radiance / (1.0 + largest(radiance));
}

vec3 expand(vec3 c)
{
    return c / max(1.0 - largest(c), 1e-3) / frame.exposure;
}

// Luma and two differences: edges between skin and hair lie along the first axis, so the box around them is tight.
const mat3 YCOCG = mat3(0.25, 0.5, -0.25, 0.5, 0.0, 0.5, 0.25, -0.5, -0.25);
const mat3 FROM_YCOCG = mat3(1.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0, 1.0, -1.0);

// Where in the last picture is what this frame shows at `at`, in pixels; outside of it where that was behind the camera.
vec2 place_before(vec2 at, float d)
{
    vec3 ray = camera_ray(at);
    vec4 point = d < 1.0 ? vec4(frame.camera_origin + ray * view_depth(d), 1.0) : vec4(ray, 0.0);
    vec4 clip = state.view_projection_before * point;
    return clip.w > 0.0 ? (clip.xy / clip.w * 0.5 + 0.5) * vec2(frame.size) : vec2(-1e6);
}

// Catmull-Rom in five bilinear look-ups, the corners left out (Jimenez 2016, "Filmic SMAA"): what moves for long stays sharp.
vec3 sharp(vec2 at)
{
    vec2 size = vec2(frame.size);
    vec2 middle = floor(at - 0.5) + 0.5, f = at - middle;
    vec2 w0 = f * (-0.5 + f * (1.0 - 0.5 * f)), w1 = 1.0 + f * f * (-2.5 + 1.5 * f);
    vec2 w2 = f * (0.5 + f * (2.0 - 1.5 * f)), w3 = f * f * (-0.5 + 0.5 * f);
    vec2 inner = w1 + w2;
    vec2 low = (middle - 1.0) / size, near = (middle + w2 / inner) / size, high = (middle + 2.0) / size;
    vec4 sum = vec4(textureLod(resolved, near, 0.0).rgb, 1.0) * inner.x * inner.y;
    sum += vec4(textureLod(resolved, vec2(low.x, near.y), 0.0).rgb, 1.0) * w0.x * inner.y;
    sum += vec4(textureLod(resolved, vec2(high.x, near.y), 0.0).rgb, 1.0) * w3.x * inner.y;
    sum += vec4(textureLod(resolved, vec2(near.x, low.y), 0.0).rgb, 1.0) * inner.x * w0.y;
    sum += vec4(textureLod(resolved, vec2(near.x, high.y), 0.0).rgb, 1.0) * inner.x * w3.y;
    return max(sum.rgb / sum.a, vec3(0.0));
}

void main()
{
    uvec2 tile = DEALT_TILE;
    uvec2 xy = tile * TILE + gl_LocalInvocationID.xy;
    ivec2 last = ivec2(frame.size) - 1;
    ivec2 corner = ivec2(tile * TILE) - 1;
    if (gl_LocalInvocationIndex == 0u) shows_something = 0u;
    barrier();
    for (uint i = gl_LocalInvocationIndex; i < WIDTH * WIDTH; i += TILE * TILE) {
        float d = visible_depth(depths, clamp(corner + ivec2(i % WIDTH, i / WIDTH), ivec2(0), last));
        around[i].a = d;
        if (d < 1.0) shows_something = 1u;
    }
    barrier();
    if (shows_something == 0u) { // a backdrop out of focus has no edges
        if (all(lessThan(xy, frame.size))) imageStore(history, ivec2(xy), vec4(0.0));
        return;
    }
    for (uint i = gl_LocalInvocationIndex; i < WIDTH * WIDTH; i += TILE * TILE) {
        ivec2 at = clamp(corner + ivec2(i % WIDTH, i / WIDTH), ivec2(0), last);
        around[i].rgb = YCOCG * compress(composed(uvec2(at)));
    }
    barrier();
    if (any(greaterThanEqual(xy, frame.size))) return;
    vec3 mean = vec3(0.0), square = vec3(0.0), low = vec3(1.0), high = vec3(-1.0);
    float nearest = 2.0;
    vec2 towards = vec2(0.0);
    for (int y = 0; y < 3; ++y) for (int x = 0; x < 3; ++x) {
        vec4 c = around[(gl_LocalInvocationID.y + uint(y)) * WIDTH + gl_LocalInvocationID.x + uint(x)];
        mean += c.rgb / 9.0;
        square += c.rgb * c.rgb / 9.0;
        low = min(low, c.rgb);
        high = max(high, c.rgb);
        if (c.a < nearest) {
            nearest = c.a;
            towards = vec2(x - 1, y - 1);
        }
    }
    // Edges go with what is in front, so that they stay smooth; on a surface the nearest of nine points would always lead the way.
    float own = around[(gl_LocalInvocationID.y + 1u) * WIDTH + gl_LocalInvocationID.x + 1u].a;
    float own_depth = view_depth(own);
    if (own < 1.0 && own_depth - view_depth(nearest) < EDGE_PIXELS * frame.pixel_angle * own_depth) {
        nearest = own;
        towards = vec2(0.0);
    }
    vec2 now = vec2(xy) + 0.5 + towards + frame.jitter;
    vec2 motion = place_before(now, nearest) - now, at = vec2(xy) + 0.5 + motion;
    vec4 moved = vec4(0.0);
    if (all(greaterThanEqual(at, vec2(0.0))) && all(lessThanEqual(at, vec2(frame.size)))) {
        // Salvi 2016 ("An Excursion in Temporal Supersampling"): the box is as wide as the colours around vary.
        float deviations = mix(CLIP_AT_REST, CLIP_FAST, min(length(motion) / FAST, 1.0));
        vec3 half_width = deviations * sqrt(max(square - mean * mean, vec3(0.0)));
        vec3 c = YCOCG * compress(sharp(at)), from_mean = c - mean;
        vec3 beyond = abs(from_mean) / max(half_width, vec3(1e-5));
        c = mean + from_mean / max(1.0, largest(beyond));
        float samples = texelFetch(resolved, clamp(ivec2(at), ivec2(0), last), 0).a;
        moved = vec4(expand(FROM_YCOCG * clamp(c, low, high)), samples);
    }
    imageStore(history, ivec2(xy), moved);
}
