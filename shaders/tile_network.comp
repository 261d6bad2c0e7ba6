// Draws the face: one workgroup a tile, one thread a pixel (or two), all layers of the tile's network in one go.
//
// The tile's hash picks the network (one indexed read, no branch: the table is total). Its weights are copied into
// shared memory once and read by all 256 pixels, or left to the GPU's caches (app/network/shader.py, `direct`).
//
// On chip, for the shipped widths 32-32-20-15: weights 8 KB of shared memory or cache (32 KB at most, see
// app/network/shader.py), activations at most 32 + 32 floats a thread in registers. From memory, once a pixel: 64 bytes
// of features and 8 of surface; written: 8 bytes of radiance.
//
// All threads of the workgroup take every barrier: pixels without face compute with the rest and do not write.

#include "addressed.glsl"
#include "blocks.glsl"
#include "features.glsl"
#include "halves.glsl"
#include "own_thread.glsl"
#include "push.glsl"
#include "radiance.glsl"

layout(local_size_x = THREADS) in;

layout(set = 0, binding = 0, scalar) readonly buffer TileList { uvec2 tiles[]; }; // (tile, hash)
layout(set = 0, binding = 1, scalar) readonly buffer SlotTable { uint slots[]; }; // hash -> slot
layout(push_constant, scalar) uniform Push { TileNetworkPush push; };

#define PARAMETER(i) uintBitsToFloat(load_vector(push.parameters, i))
#include "network.glsl"

void main()
{
    uvec2 entry = tiles[push.first + gl_WorkGroupID.x];
    uint tile = entry.x, pixel = own_pixel();
    uint slot = slots[entry.y];
    stage_network(slot);
    // Loaded only now: the barrier that ends the staging would otherwise wait for these reads.
    uvec4 words[OWN_PIXELS * FEATURE_VECTORS];
    for (uint k = 0u; k < OWN_PIXELS; k++)
        for (uint i = 0u; i < FEATURE_VECTORS; i++)
            words[k * FEATURE_VECTORS + i] = load_vector(push.features, feature_index(tile, i, pixel + k * THREADS));
    vec3 colors[OWN_PIXELS];
    run_network(slot, words, colors);

    for (uint k = 0u; k < OWN_PIXELS; k++, pixel += THREADS) {
        // depth, light_scale
        vec2 at_surface = uintBitsToFloat(load_pair(push.surface, surface_index(tile, pixel)));
        write_radiance(push.radiance, tile, pixel, push.size, at_surface, colors[k]);
    }
}
