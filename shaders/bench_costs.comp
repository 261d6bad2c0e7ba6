// What single steps cost, for `bungyo bench`: the loop of one KIND, COUNT steps in each of push.rounds rounds, and a result
// that tells whether they were taken (host side and the results expected: app/bench/costs.py).

#include "push.glsl"

layout(local_size_x = THREADS) in;

layout(buffer_reference, scalar) readonly buffer Words { uint words[]; };
layout(buffer_reference, scalar) readonly buffer Vectors { uvec4 vectors[]; };
layout(buffer_reference, scalar) writeonly buffer Results { uint words[]; };
layout(push_constant, scalar) uniform Push { CostPush push; };

#if KIND == SHARED_CHASE
shared uint words[SHARED_WORDS];
#elif KIND == SHARED_BROADCAST || KIND == SHARED_READ
shared uvec4 vectors[SHARED_WORDS / 4];
#endif

uint sum(uvec4 v) { return v.x + v.y + v.z + v.w; }

void main()
{
    uint thread = gl_GlobalInvocationID.x, result = thread;
#if KIND == SHARED_CHASE
    for (uint i = gl_LocalInvocationIndex; i < SHARED_WORDS; i += THREADS) words[i] = Words(push.source).words[i];
    barrier();
#elif KIND == SHARED_BROADCAST || KIND == SHARED_READ
    for (uint i = gl_LocalInvocationIndex; i < SHARED_WORDS / 4; i += THREADS)
        vectors[i] = Vectors(push.source).vectors[i];
    barrier();
#endif
#if KIND == EMPTY
    return;
#elif KIND == SHARED_BROADCAST
    // Constant addresses in straight-line code, as the tile network reads its weights; a round is a workgroup.
    uvec4 total = uvec4(thread);
    [[unroll]] for (uint i = 0u; i < COUNT; i++) total = (total ^ vectors[i]) + 1u;
    result = sum(total);
#else
    [[dont_unroll]] for (uint round = 0u; round < push.rounds; round++) {
#if KIND == MEMORY_READ
        // Neighbouring threads read neighbouring vectors; all threads together, the whole buffer.
        uint first = round * COUNT * gl_NumWorkGroups.x * THREADS + thread;
#endif
        [[unroll]] for (uint i = 0u; i < COUNT; i++) {
#if KIND == ARITHMETIC
            result = floatBitsToUint(uintBitsToFloat(result) * 0.5 + 1.0);
#elif KIND == SUBGROUP
            result = subgroupMax(result) + gl_SubgroupInvocationID;
#elif KIND == BARRIER
            barrier();
            result += i;
#elif KIND == SHARED_CHASE
            result = words[result];
#elif KIND == MEMORY_CHASE
            result = Words(push.source).words[result];
#elif KIND == SHARED_READ
            result += sum(vectors[(gl_LocalInvocationIndex + i * 8u) % (SHARED_WORDS / 4)]);
#elif KIND == MEMORY_READ
            result += sum(Vectors(push.source).vectors[first + i * gl_NumWorkGroups.x * THREADS]);
#endif
        }
    }
#endif
    Results(push.results).words[thread] = result;
}
