#include "awkward.glsl"

layout(local_size_x = 32) in;
layout(set = 0, binding = 0, scalar) readonly buffer Input { Awkward given[]; };
layout(set = 0, binding = 1, scalar) writeonly buffer Output { Awkward copied[]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= given.length()) return;
    Awkward a = given[i];
    // Copied field by field, each changed in its own way, so that no block copy can hide a wrong offset.
    a.first += 1.0;
    a.half_float *= float16_t(2);
    a.direction = a.direction.zxy;
    a.big += 1ul;
    a.matrix = transpose(a.matrix);
    a.byte_value = uint8_t(255u - uint(a.byte_value));
    a.weights[2] += a.weights[0];
    a.inner.pair = a.inner.pair.yx;
    a.many[1].id ^= 0xffffu;
    a.tail = a.tail.wzyx;
    copied[i] = a;
}
