// The two halves of a word as floats, exactly; those below 2^-14 may be 0.
//
// A CPU's driver picks halves out of its vectors one by one to convert them. With BITWISE_HALVES (`DeviceInfo.macros`) they
// are shifted to where a float has its sign, exponent and mantissa, and scaled by what exponents differ in.
#ifndef HALVES_GLSL
#define HALVES_GLSL

#ifdef BITWISE_HALVES
vec2 unpack_halves(uint word)
{
    const int of_float = int(0x8fffe000u); // shifting fills the exponent's upper bits with copies of the sign
    ivec2 shifted = ivec2(int(word << 16u), int(word)) >> 3;
    return 5.192296858534828e33 * intBitsToFloat(shifted & of_float); // 2^112
}
#else
#define unpack_halves unpackHalf2x16
#endif
#endif
