// What a light sees: a part of the scene in one of the views that light_views.comp has chosen.

#include "scene.glsl"
#include "light_maps.glsl"

layout(push_constant, scalar) uniform PushConstants { MapPush push; };

#if PLACES
layout(location = 0) out vec3 position;
layout(location = 1) out vec3 normal;
layout(location = 2) out vec2 uv;
layout(location = 3) out vec2 light_uv;
#endif

void main()
{
    Vertex v = load_vertex(uint(gl_VertexIndex));
    gl_Position = map_position(views[push.view], v.position);
#if PLACES
    position = v.position;
    normal = v.normal;
    uv = v.uv;
    light_uv = vertex_light_uv(uint(gl_VertexIndex));
#endif
}
