// The tile hash: which places of the face a tile shows (numpy twin and definition: app/network/tile_hash.py).
//
// One subgroup a tile: each lane ORs its share of the 256 pixels, subgroupOr joins the lanes. No shared memory and no
// barrier. The number of lanes is counted, not assumed, so any subgroup size works, and the subgroups stride over
// the tiles, so any number of workgroups works.

#include "features.glsl"
#include "tile_hash.glsl"

layout(local_size_x = THREADS) in;

layout(set = 0, binding = 0, scalar) readonly buffer FeatureBuffer { uvec4 features[]; };
layout(set = 0, binding = 1, scalar) readonly buffer SurfaceBuffer { vec2 surface[]; };
layout(set = 0, binding = 2, scalar) writeonly buffer Hashes { uint hashes[]; }; // of every tile; 0 = no face
layout(set = 0, binding = 3, scalar) writeonly buffer TileList { uvec2 tiles[]; }; // (tile, hash), face tiles only
layout(set = 0, binding = 4, scalar) buffer DispatchBuffer { TileDispatch dispatch; };
layout(push_constant, scalar) uniform Push { TileHashPush push; };

uint hash_bin(float x)
{
    return uint(clamp(half_range(x), 0.0, 1.0) * push.scale) % HASH_BINS; // half_range: NaN is 0
}

uint pixel_bits(uint tile, uint pixel)
{
    float depth = surface[surface_index(tile, pixel)].x;
    vec2 uv = unpackHalf2x16(features[feature_index(tile, 0u, pixel)].x);
    uint bits = (1u << hash_bin(uv.x)) | (1u << (hash_bin(uv.y) + HASH_BINS));
    return isinf(depth) || isnan(depth) ? 0u : bits;
}

void main()
{
    uint lanes = subgroupAdd(1u);
    uint stride = gl_NumWorkGroups.x * gl_NumSubgroups;
    for (uint tile = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID; tile < push.tiles; tile += stride) {
        uint bits = 0u;
        for (uint pixel = gl_SubgroupInvocationID; pixel < TILE_PIXELS; pixel += lanes) bits |= pixel_bits(tile, pixel);
        uint hash = subgroupOr(bits);
        if (subgroupElect()) {
            hashes[tile] = hash;
            if (hash != 0u) {
                tiles[atomicAdd(dispatch.groups_x, 1u)] = uvec2(tile, hash);
                atomicAdd(dispatch.count, 1u);
            }
        }
    }
}
