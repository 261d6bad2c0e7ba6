// What stands between blocks of outputs on a CPU (app/network/shader.py).
#ifndef BLOCKS_GLSL
#define BLOCKS_GLSL

#if SPLIT_BLOCKS
// Execution only, nothing is exchanged.
#define BLOCK_BARRIER() controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, 0, 0)
// Halves that many blocks need, as floats. After a barrier the driver works out again what it takes for cheap, shifts and
// products among it, rather than keep it; a maximum, even one that changes nothing, it keeps.
#define KEPT(halves) max(halves, vec2(-HALF_MAX))
#else
#define BLOCK_BARRIER()
#define KEPT(halves) halves
#endif
#endif
