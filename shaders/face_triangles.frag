// Which triangle the pixel shows, of which part.

#include "face_triangles.glsl"

layout(push_constant, scalar) uniform PushConstants { FaceTrianglesPush push; };

layout(location = 0) flat in uint triangle;
layout(location = 0) out uvec2 shown;

void main()
{
    shown = uvec2(push.part, triangle);
}
