// One layer of the tile networks alone, for `bungyo bench`: what shaders/tile_network.comp does in one dispatch, done
// in one dispatch a layer, with the activations through memory (generated part: app/bench/layered.py).
//
// As in the fused pass: one workgroup a tile, one thread a pixel, the layer's weights in shared memory or by address,
// straight-line code in blocks. Activations are tile-major as the features are, so that neighbouring threads read
// neighbouring words.

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
layout(buffer_reference, scalar) writeonly buffer Target { uvec4 vectors[]; };
layout(push_constant, scalar) uniform Push { LayerPush push; };

void write_color(uint tile, uint pixel, vec3 color)
{
    vec2 at_surface = uintBitsToFloat(load_pair(push.surface, surface_index(tile, pixel))); // depth, light_scale
    write_radiance(push.radiance, tile, pixel, push.size, at_surface, color);
}

#define PARAMETER(i) uintBitsToFloat(load_vector(push.parameters, i))
#include "layer.glsl"

void main()
{
    uvec2 entry = tiles[gl_WorkGroupID.x];
    uint slot = slots[entry.y];
    stage_layer(slot);
    run_layer(slot, entry.x, OWN_THREAD);
}
