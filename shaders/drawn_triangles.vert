// Triangles, each with its number. Vertices are fetched by it and not shared: the number that fragment shaders are given
// (gl_PrimitiveID) is not to be had on devices without geometry shaders.

#include "scene.glsl"

#include "drawn_triangles.glsl"

layout(push_constant, scalar) uniform PushConstants { DrawnTrianglesPush push; };

layout(location = 0) flat out uint triangle;
#if CUT
layout(location = 1) out vec2 uv;
#endif

void main()
{
    uint corner = uint(gl_VertexIndex), vertex = indices[corner];
    triangle = (corner - parts[push.part].first_index) / 3u;
#if CUT
    uv = load_vertex(vertex).uv;
#endif
    gl_Position = frame.view_projection * vec4(vertex_position(vertex), 1.0);
}
