// What a pass of triangles has left of a pixel (app/passes/visible_pixels.py). VISIBLE and VISIBLE_DEPTHS declare it. Include
// scene.glsl before.
#ifndef VISIBLE_GLSL
#define VISIBLE_GLSL

#include "visible_kind.glsl" // generated
#include "features.glsl"

#ifdef VISIBILITY_BUFFER
// Two words a pixel: the complement of the triangle's number among those of all parts, and its depth's bits.
#define VISIBLE(slot, name) layout(set = 0, binding = slot, scalar) readonly buffer name##_buffer { uvec2 name[]; }
#define VISIBLE_DEPTHS(slot, name) VISIBLE(slot, name)
#define visible_triangle(name, xy) part_and_triangle(name[surface_index(uvec2(xy), frame.tiles_x)].x)
#define visible_depth(name, xy) uintBitsToFloat(name[surface_index(uvec2(xy), frame.tiles_x)].y)

uvec2 part_and_triangle(uint complement)
{
    if (complement == NOTHING) return uvec2(NO_PART);
    uint part = triangle_parts[~complement];
    return uvec2(part, ~complement - parts[part].first_index / 3u);
}
#else
#define VISIBLE(slot, name) layout(set = 0, binding = slot) uniform usampler2D name
#define VISIBLE_DEPTHS(slot, name) layout(set = 0, binding = slot) uniform sampler2D name
#define visible_triangle(name, xy) texelFetch(name, ivec2(xy), 0).rg
#define visible_depth(name, xy) texelFetch(name, ivec2(xy), 0).r
#endif
#endif
