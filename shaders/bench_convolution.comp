// One layer of 3x3 convolutions, for `bungyo bench`: from INPUTS channels of the layer before, all that one dispatch
// adds up, to 4 * COLUMNS channels a workgroup in z (host side, layouts and reasons: app/bench/convolution.py).
//
// A workgroup draws 16x16 pixels, a thread ROWS of a column. A weight that is read is thus used ROWS times, an activation
// up to 3 * 4 * COLUMNS times, and the running sums stay in registers. With PACED the threads wait for each other after
// every two inputs. All weights have constant places in straight-line code: see app/network/shader.py for what else a CPU
// driver makes of them, and why a GPU has activations in shared memory (STAGED) and reads weights by address.

#include "own_thread.glsl"
#include "push.glsl"
#include "radiance.glsl"

#define EDGE 16u
#define PAIRS (INPUTS / 2u)
#define KERNEL_VECTORS (9u * INPUTS * COLUMNS)
#define VECTORS (COLUMNS + KERNEL_VECTORS)
#define THREADS (EDGE * EDGE / ROWS)

layout(local_size_x = EDGE, local_size_y = EDGE / ROWS) in;

layout(buffer_reference, scalar) readonly buffer Source { uint words[]; };
layout(buffer_reference, scalar) writeonly buffer Target { uint words[]; };
struct Record { vec4 vectors[VECTORS]; }; // weights of a workgroup's channels
layout(buffer_reference, scalar) readonly buffer Parameters { Record records[]; };
layout(buffer_reference, scalar) buffer Partial { float sums[]; };
layout(push_constant, scalar) uniform Push { ConvolutionPush push; };

#if STAGED
#define SIDE (EDGE + 2u)
shared uint staged[PAIRS * SIDE * SIDE];
#define ACTIVATION(pair, row, column) staged[((pair) * SIDE + row) * SIDE + column]
#define WEIGHTS(i) parameters.records[record].vectors[i]
#else
shared vec4 weights[VECTORS];
#define WEIGHTS(i) weights[i]
#define ACTIVATION(pair, row, column) source.words[first + (pair) * plane + (row) * pitch + column]
#endif

void main()
{
    Source source = Source(push.source);
    Target target = Target(push.target);
    Parameters parameters = Parameters(push.parameters);
    Partial partial = Partial(push.partial);
    uvec2 corner = gl_WorkGroupID.xy * EDGE, at = gl_LocalInvocationID.xy * uvec2(1u, ROWS);
    uint pitch = push.size.x + 2u, plane = pitch * (push.size.y + 2u); // a border of zeros around
    uint begin = push.chunk * PAIRS * plane + corner.y * pitch + corner.x;
    uint record = gl_WorkGroupID.z * push.chunks + push.chunk;
#if STAGED
    for (uint i = OWN_THREAD; i < PAIRS * SIDE * SIDE; i += THREADS) {
        uint place = i % (SIDE * SIDE);
        staged[i] = source.words[begin + i / (SIDE * SIDE) * plane + place / SIDE * pitch + place % SIDE];
    }
#else
    for (uint i = OWN_THREAD; i < VECTORS; i += THREADS) weights[i] = parameters.records[record].vectors[i];
#endif
    barrier();
    uint first = begin + at.y * pitch + at.x; // of the 3x3 pixels around the thread's first
    vec4 sum[ROWS][COLUMNS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        [[unroll]] for (uint c = 0u; c < COLUMNS; c++) sum[r][c] = WEIGHTS(c);
    [[unroll]] for (uint pair = 0u; pair < PAIRS; pair++) {
#if PACED
        if (pair > 0u) barrier();
#endif
        [[unroll]] for (uint x = 0u; x < 3u; x++) {
            vec2 value[ROWS + 2u];
            [[unroll]] for (uint r = 0u; r < ROWS + 2u; r++) {
#if STAGED
                value[r] = unpackHalf2x16(ACTIVATION(pair, at.y + r, at.x + x));
#else
                value[r] = unpackHalf2x16(ACTIVATION(pair, r, x));
#endif
            }
            [[unroll]] for (uint y = 0u; y < 3u; y++)
                [[unroll]] for (uint k = 0u; k < 2u; k++)
                    [[unroll]] for (uint c = 0u; c < COLUMNS; c++) {
                        vec4 weight = WEIGHTS(COLUMNS + (((pair * 3u + x) * 3u + y) * 2u + k) * COLUMNS + c);
                        [[unroll]] for (uint r = 0u; r < ROWS; r++) sum[r][c] += value[r + y][k] * weight;
                    }
        }
    }
    uint pixels = push.size.x * push.size.y;
    uint place = gl_WorkGroupID.z * 4u * COLUMNS * pixels + (corner.y + at.y) * push.size.x + corner.x + at.x;
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        [[unroll]] for (uint c = 0u; c < COLUMNS; c++) {
            uint index = place + 4u * c * pixels + r * push.size.x;
            if (push.chunk != 0u) {
                sum[r][c] += vec4(partial.sums[index], partial.sums[index + pixels], partial.sums[index + 2u * pixels],
                                  partial.sums[index + 3u * pixels]);
            }
            if (push.chunk + 1u != push.chunks) {
                partial.sums[index] = sum[r][c].x;
                partial.sums[index + pixels] = sum[r][c].y;
                partial.sums[index + 2u * pixels] = sum[r][c].z;
                partial.sums[index + 3u * pixels] = sum[r][c].w;
            } else {
#if LAST
                uvec2 xy = corner + at + uvec2(0u, r);
                store_radiance(push.radiance, tile_of(xy, tiles_across(push.size.x)), pixel_of(xy), sum[r][c].xyz);
#else
                vec4 value = max(sum[r][c], 0.0);
                uint to = (gl_WorkGroupID.z * 2u * COLUMNS + 2u * c) * plane + (corner.y + at.y + r + 1u) * pitch;
                to += corner.x + at.x + 1u;
                target.words[to] = packHalf2x16(value.xy);
                target.words[to + plane] = packHalf2x16(value.zw);
#endif
            }
        }
}
