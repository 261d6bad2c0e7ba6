// The tile hash: which places of the face a tile shows (numpy twin and definition: app/network/tile_hash.py).
//
// One subgroup a tile: each lane ORs its share of the 256 pixels, subgroupOr joins the lanes. No shared memory and no
// barrier. The number of lanes is counted, not assumed, so any subgroup size works, and the subgroups stride over
// the tiles, so any number of workgroups works.

#include "features.glsl"
#include "halves.glsl"
#include "tile_hash.glsl"
#include "texels.glsl"

layout(local_size_x = THREADS) in;

TEXELS(0, places); // of four pixels each
layout(set = 0, binding = 1, scalar) writeonly buffer Hashes { uint hashes[]; }; // of every tile; 0 = no face
layout(set = 0, binding = 2, scalar) writeonly buffer TileList { uvec2 tiles[]; }; // (tile, hash), face tiles only, from push.first on
layout(set = 0, binding = 3, scalar) buffer DispatchBuffer { TileDispatch dispatches[]; };
layout(push_constant, scalar) uniform Push { TileHashPush push; };

uint place_bits(uint place)
{
    vec2 bin = floor(clamp(unpack_halves(place), 0.0, 1.0) * push.scale);
    // As bin + 2^23 the bins stand in the lowest bits of the float. A conversion to integers would take lavapipe
    // more time than all the rest of this shader.
    uvec2 column = floatBitsToUint(bin + 8388608.0) % HASH_BINS;
    return (1u << column.x) | (1u << HASH_BINS << column.y);
}

void main()
{
    uint lanes = subgroupAdd(1u);
    uint stride = gl_NumWorkGroups.x * gl_NumSubgroups;
    for (uint tile = push.first + gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID; tile < push.end; tile += stride) {
        uint bits = 0u;
        for (uint four = gl_SubgroupInvocationID; four < TILE_PIXELS / 4u; four += lanes) {
            uvec4 there = floatBitsToUint(texel(places, surface_index(tile, 0u) / 4u + four));
            for (uint k = 0u; k < 4u; ++k)
                if (there[k] != NO_FACE) bits |= place_bits(there[k]);
        }
        uint hash = subgroupOr(bits);
        if (subgroupElect()) {
            hashes[tile] = hash;
            if (hash != 0u) tiles[push.first + atomicAdd(dispatches[push.dispatch].groups_x, 1u)] = uvec2(tile, hash);
        }
    }
}
