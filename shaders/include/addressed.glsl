// Reads by address, 8 bytes at a time, for what is read at every pixel: a CPU's driver fetches one value after the other,
// and checks each against the size of a bound buffer.
#ifndef ADDRESSED_GLSL
#define ADDRESSED_GLSL

layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer AddressedVectors { u64vec2 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer AddressedPairs { uint64_t at[]; };

uvec4 load_vector(uvec2 address, uint index) // of an array of uvec4
{
    u64vec2 pairs = AddressedVectors(address).at[index];
    return uvec4(unpackUint2x32(pairs.x), unpackUint2x32(pairs.y));
}

uvec2 load_pair(uvec2 address, uint index) // of an array of uvec2
{
    return unpackUint2x32(AddressedPairs(address).at[index]);
}
#endif
