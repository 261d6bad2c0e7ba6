// One picture from all passes: face and background, accumulation of jittered frames, tone map, views.

#include "scene.glsl"
#include "features.glsl"
#include "dealt_rows.glsl"
#include "own_thread.glsl"
#include "random.glsl"
#include "tonemap.glsl"
#include "composite.glsl"
#include "composed.glsl"

layout(local_size_x = TILE_PIXELS) in;

layout(set = 0, binding = SLOT_FEATURES, scalar) readonly buffer FeatureBuffer { uvec4 features[]; };
layout(set = 0, binding = SLOT_SURFACE, scalar) readonly buffer SurfaceBuffer { vec2 surface[]; };
layout(set = 0, binding = SLOT_HASHES, scalar) readonly buffer Hashes { uint hashes[]; };
layout(set = 0, binding = SLOT_REFERENCE, scalar) readonly buffer Reference { vec4 reference[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CompositeState state; };
layout(set = 0, binding = SLOT_ACCUMULATED, scalar) buffer Accumulated { vec3 accumulated[]; };
layout(set = 0, binding = SLOT_DISPLAY, rgba8) uniform writeonly image2D display;
layout(set = 0, binding = SLOT_RESOLVED, rgba16f) uniform writeonly image2D resolved;
layout(set = 0, binding = SLOT_HISTORY, rgba16f) uniform readonly image2D history;

vec3 hash_color(uint hash)
{
    uint h = pcg_hash(hash);
    vec3 c = vec3(h & 255u, (h >> 8) & 255u, (h >> 16) & 255u) / 255.0;
    return 0.25 + 0.75 * c;
}

float feature_channel(uint tile, uint pixel, uint channel)
{
    uvec4 words = features[feature_index(tile, channel / 8u, pixel)];
    vec2 pair = unpackHalf2x16(words[(channel % 8u) / 2u]);
    return channel % 2u == 0u ? pair.x : pair.y;
}

// The reference's radiance. Where it is interleaved and has just begun, that of the nearest pixel up and to the left
// that has a sample.
vec3 path_traced(uvec2 xy)
{
    for (uint block = 1u; block <= INTERLEAVE; block *= 2u) {
        uvec2 traced = xy / block * block;
        vec4 sum = reference[traced.y * frame.size.x + traced.x];
        if (sum.a > 0.0) return sum.rgb / sum.a;
    }
    return vec3(0.0);
}

// A view of the G-buffer, as display colour.
vec3 view(uvec2 xy, uint tile, uint pixel, vec3 neural)
{
    vec2 at_surface = surface[surface_index(tile, pixel)];
    if (state.mode == MODE_TILES) {
        vec3 color = tonemap(neural, frame.exposure);
        uint hash = hashes[tile];
        if (hash == 0u) return color * 0.5;
        bool edge = any(equal(xy % TILE, uvec2(0u)));
        return edge ? vec3(0.05) : mix(color, hash_color(hash), 0.55);
    }
    if (!is_face(at_surface.x)) return vec3(0.0);
    if (state.mode == MODE_FACE) return vec3(1.0);
    if (state.mode == MODE_HASH) return hash_color(hashes[tile]);
    if (state.mode == MODE_DEPTH) return vec3(clamp(1.0 - (at_surface.x - state.depth_range.x) / (state.depth_range.y - state.depth_range.x), 0.0, 1.0));
    vec3 value = vec3(0.0);
    for (uint c = 0u; c < state.channels; ++c) value[c] = feature_channel(tile, pixel, state.first_channel + c);
    if (state.channels == 1u) value = value.xxx;
    if (state.is_direction != 0u) return value * 0.5 + 0.5;
    if (state.scales_with_light != 0u) return tonemap(value * at_surface.y, frame.exposure);
    return state.channels == 3u ? srgb_encode(value) : value;
}

void main()
{
    uvec2 xy = DEALT_TILE * TILE + own_position(TILE);
    if (any(greaterThanEqual(xy, frame.size))) return;
    uint tile = tile_of(xy, frame.tiles_x), pixel = pixel_of(xy), at = surface_index(tile, pixel);

    vec3 sum = vec3(0.0);
    float samples = state.samples_before;
    if (samples > 0.0) sum = accumulated[at];
    if (state.neural_drawn != 0u) {
        sum += composed(xy);
        samples += 1.0;
        accumulated[at] = sum;
    }
    if (state.history_samples > 0.0) {
        vec4 before = imageLoad(history, ivec2(xy));
        float counted = min(before.a, state.history_samples);
        sum += before.rgb * counted;
        samples += counted;
    }
    vec3 neural = sum / max(samples, 1.0);
    if (state.keeps_history != 0u) { // what is not a number would spread from picture to picture
        imageStore(resolved, ivec2(xy), vec4(half_range(neural.r), half_range(neural.g), half_range(neural.b), samples));
    }
    vec3 truth = state.shows_reference != 0u ? path_traced(xy) : vec3(0.0);

    vec3 color;
    if (state.mode == MODE_NEURAL) color = tonemap(neural, frame.exposure);
    else if (state.mode == MODE_REFERENCE) color = tonemap(truth, frame.exposure);
    else if (state.mode == MODE_SPLIT) {
        float line = state.split * float(frame.size.x);
        color = tonemap(float(xy.x) < line ? neural : truth, frame.exposure);
        if (abs(float(xy.x) + 0.5 - line) < 1.0) color = vec3(1.0);
    } else if (state.mode == MODE_DIFFERENCE) {
        color = DIFFERENCE_GAIN * abs(tonemap(neural, frame.exposure) - tonemap(truth, frame.exposure));
    } else color = view(xy, tile, pixel, neural);
    imageStore(display, ivec2(xy), vec4(clamp(color, 0.0, 1.0), 1.0));
}
