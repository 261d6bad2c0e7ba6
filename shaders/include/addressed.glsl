// Reads by address of what is read at every pixel. A CPU's driver fetches one value after the other, and checks each against
// the size of a bound buffer: with LOADS_64 (`DeviceInfo.macros`) 8 bytes are one value.
#ifndef ADDRESSED_GLSL
#define ADDRESSED_GLSL

#ifdef LOADS_64
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer AddressedVectors { u64vec2 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer AddressedPairs { uint64_t at[]; };
#else
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer AddressedVectors { uvec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer AddressedPairs { uvec2 at[]; };
#endif

uvec4 load_vector(uvec2 address, uint index) // of an array of uvec4
{
#ifdef LOADS_64
    u64vec2 pairs = AddressedVectors(address).at[index];
    return uvec4(unpackUint2x32(pairs.x), unpackUint2x32(pairs.y));
#else
    return AddressedVectors(address).at[index];
#endif
}

uvec2 load_pair(uvec2 address, uint index) // of an array of uvec2
{
#ifdef LOADS_64
    return unpackUint2x32(AddressedPairs(address).at[index]);
#else
    return AddressedPairs(address).at[index];
#endif
}
#endif
