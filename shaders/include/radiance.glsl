// What is drawn, which tile networks write by address: a pixel is linear Rec.709 and alpha, tile-major as `surface` is. Where alpha is
// 0 nothing is.
//
// A buffer, not an image: threads of a tile write consecutive memory, and what a driver compiles for images is no part of it.
// RADIANCE_FLOATS: floats instead of halves, where the last bits count.
#ifndef RADIANCE_GLSL
#define RADIANCE_GLSL

#include "features.glsl"

#if RADIANCE_FLOATS
layout(buffer_reference, scalar, buffer_reference_align = 16) writeonly buffer Radiance { vec4 at[]; };
#else
// Not 64 bits at once: at vectors of 512 bits llvmpipe of Mesa 26 aborts where two words become one.
layout(buffer_reference, scalar, buffer_reference_align = 8) writeonly buffer Radiance { uvec2 at[]; };
#endif

uvec2 pack_radiance(vec3 radiance) { return uvec2(packHalf2x16(radiance.rg), packHalf2x16(vec2(radiance.b, 1.0))); }
vec4 unpack_radiance(uvec2 halves) { return vec4(unpackHalf2x16(halves.x), unpackHalf2x16(halves.y)); }
bool is_drawn(uvec2 halves) { return halves.y > 0xffffu; }

void store_radiance(uvec2 address, uint tile, uint pixel, vec3 radiance)
{
#if RADIANCE_FLOATS
    Radiance(address).at[surface_index(tile, pixel)] = vec4(radiance, 1.0);
#else
    Radiance(address).at[surface_index(tile, pixel)] = pack_radiance(radiance);
#endif
}

// `at_surface`: depth, light_scale. Nothing is written where there is no face, nor beyond the picture.
void write_radiance(uvec2 address, uint tile, uint pixel, uvec2 size, vec2 at_surface, vec3 color)
{
    uvec2 xy = position_of(tile, pixel, tiles_across(size.x));
    if (!is_face(at_surface.x) || any(greaterThanEqual(xy, size))) return;
    store_radiance(address, tile, pixel, clamp(at_surface.y * color, 0.0, HALF_MAX));
}
#endif
