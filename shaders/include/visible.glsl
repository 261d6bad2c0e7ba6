// What a pass of triangles has left of a pixel (app/passes/visible_pixels.py). VISIBLE and VISIBLE_DEPTHS declare it. Include
// scene.glsl before.
#ifndef VISIBLE_GLSL
#define VISIBLE_GLSL

#include "visible_kind.glsl" // generated

#ifdef VISIBILITY_BUFFER
// Two words a pixel: the complement of the triangle's number among those of all parts, and its depth's bits.
#define VISIBLE(slot, name) layout(set = 0, binding = slot, scalar) readonly buffer name##_buffer { uvec2 name[]; }
#define VISIBLE_DEPTHS(slot, name) VISIBLE(slot, name)
#define visible_triangle(name, xy) part_and_triangle(name[uint((xy).y) * frame.size.x + uint((xy).x)].x)
#define visible_depth(name, xy) uintBitsToFloat(name[uint((xy).y) * frame.size.x + uint((xy).x)].y)

// The part whose triangle has this number among those of all parts.
uint part_of(uint triangle)
{
    uint first = 0u, count = uint(parts.length());
    while (count > 1u) { // of those from `first` on, the last that begins before or with it
        uint half_count = count / 2u;
        bool later = parts[first + half_count].first_index <= 3u * triangle;
        first += later ? half_count : 0u;
        count = later ? count - half_count : half_count;
    }
    return first;
}

uvec2 part_and_triangle(uint complement)
{
    if (complement == NOTHING) return uvec2(NO_PART);
    uint part = part_of(~complement);
    return uvec2(part, ~complement - parts[part].first_index / 3u);
}
#else
#define VISIBLE(slot, name) layout(set = 0, binding = slot) uniform usampler2D name
#define VISIBLE_DEPTHS(slot, name) layout(set = 0, binding = slot) uniform sampler2D name
#define visible_triangle(name, xy) texelFetch(name, ivec2(xy), 0).rg
#define visible_depth(name, xy) texelFetch(name, ivec2(xy), 0).r
#endif
#endif
