// Everything that is not face, and a far backdrop (part -1). Light was gathered per vertex by the light cache.

#include "scene.glsl"
#include "light_cache.glsl"

layout(set = 0, binding = SLOT_VERTEX_LIGHTS, scalar) readonly buffer VertexLights { VertexLight vertex_lights[]; };

#include "background.glsl"

layout(push_constant, scalar) uniform PushConstants { Push push; };

layout(location = 0) out vec3 out_position;
layout(location = 1) out vec3 out_normal;
layout(location = 2) out vec2 out_uv;
layout(location = 3) out vec3 out_irradiance;
layout(location = 4) out vec4 out_shares[2]; // of the lights, that are seen
layout(location = 6) out float out_ambient_visibility;

void main()
{
    // Vertices are fetched, not fed: the same buffer serves the ray tracer.
    Vertex v = load_vertex(uint(gl_VertexIndex));
    VertexLight light = vertex_lights[uint(gl_VertexIndex) - push.first_vertex + push.first_light];
    out_position = v.position;
    out_normal = v.normal;
    out_uv = v.uv;
    out_irradiance = light.irradiance;
    out_shares = vec4[2](unpackUnorm4x8(light.shares.x), unpackUnorm4x8(light.shares.y));
    out_ambient_visibility = light.ambient_visibility;
    gl_Position = frame.view_projection * vec4(v.position, 1.0);
}
