// Triangles that are listed, each with its number among those of all parts.

#include "scene.glsl"
#include "scanned_triangles.glsl" // generated

layout(set = 0, binding = SLOT_LARGE, scalar) readonly buffer Large { DrawIndirect draw; uint large[]; };

layout(location = 0) flat out uint triangle;
#if CUT_PARTS
layout(location = 1) out vec2 uv;
#endif

void main()
{
    triangle = large[uint(gl_VertexIndex) / 3u];
    uint vertex = indices[3u * triangle + uint(gl_VertexIndex) % 3u];
#if CUT_PARTS
    uv = load_vertex(vertex).uv;
#endif
    gl_Position = frame.view_projection * vec4(vertex_position(vertex), 1.0);
}
