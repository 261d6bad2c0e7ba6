// Which share of every light is seen from shadow texels, in bytes, as the G-buffer reads it. A thread has four texels in a row:
// CPU drivers fetch what all of them have counted at once.

#include "light_cache.glsl"
#include "texels.glsl"

layout(local_size_x = 64) in;

TEXELS(SLOT_LOOKS, looks); // four words of the light cache's visibility each
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = SLOT_SHARES, scalar) writeonly buffer Shares { uvec2 shares[]; };

void main()
{
    uint i = POINT;
    if (i >= SHADOW_TEXELS / 4u) return;
    for (uint first = 0u; first < state.light_count; first += LIGHT_SHARES) {
        uvec4 words[2] = uvec4[2](uvec4(0u), uvec4(0u)); // of all four texels each
        for (uint light = first; light < min(first + LIGHT_SHARES, state.light_count); ++light) {
            uvec4 four = floatBitsToUint(texel(looks, look_index(light, 0u, state.point_count) / 4u + i));
            vec4 seen = vec4(share_of(four.x), share_of(four.y), share_of(four.z), share_of(four.w));
            uvec4 bytes = (floatBitsToUint(255.0 * seen + 8388608.0) & 255u) << 8u * (light % 4u); // from 2^23 on, floats are whole
            if (light - first < 4u) words[0] |= bytes;
            else words[1] |= bytes;
        }
        for (uint k = 0u; k < 4u; ++k) shares[first / LIGHT_SHARES * SHADOW_TEXELS + 4u * i + k] = uvec2(words[0][k], words[1][k]);
    }
}
