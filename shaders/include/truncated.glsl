// int(x) of 0 <= x < 2^22. CPU drivers convert lane by lane, clamping each; this is an addition and a subtraction for all of them.
#ifndef TRUNCATED_GLSL
#define TRUNCATED_GLSL

int truncated(float x) { return floatBitsToInt(floor(x) + 8388608.0) - 0x4B000000; } // from 2^23 on, floats are whole
ivec2 truncated(vec2 x) { return floatBitsToInt(floor(x) + 8388608.0) - 0x4B000000; }
#endif
