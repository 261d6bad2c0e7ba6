// The face's triangles, each with its number. Vertices are fetched by it and not shared: the number that fragment shaders
// are given (gl_PrimitiveID) is not to be had on devices without geometry shaders.

#include "scene.glsl"

#include "face_triangles.glsl"

layout(push_constant, scalar) uniform PushConstants { FaceTrianglesPush push; };

layout(location = 0) flat out uint triangle;

void main()
{
    uint corner = uint(gl_VertexIndex);
    triangle = (corner - parts[push.part].first_index) / 3u;
    gl_Position = frame.view_projection * vec4(vertex_position(indices[corner]), 1.0);
}
