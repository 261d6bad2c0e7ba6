// Everything that is not face, and a far backdrop (part -1). Light was gathered per vertex by the light cache.

#include "scene.glsl"
#include "light_cache.glsl"

layout(set = 0, binding = SLOT_GATHERED, scalar) readonly buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };

#include "background.glsl"

layout(push_constant, scalar) uniform PushConstants { Push push; };

layout(location = 0) out vec3 out_position;
layout(location = 1) out vec3 out_normal;
layout(location = 2) out vec2 out_uv;
layout(location = 3) out vec3 out_irradiance;
layout(location = 4) out vec3 out_environment;
layout(location = 5) out float out_ambient_visibility;

void main()
{
    // Vertices are fetched, not fed: the same buffer serves the ray tracer.
    Vertex v = load_vertex(uint(gl_VertexIndex));
    GatheredLight light = gathered[uint(gl_VertexIndex) - push.first_vertex + push.first_point];
    out_position = v.position;
    out_normal = v.normal;
    out_uv = v.uv;
    float around = 1.0 / max(light.looks, 1e-6);
    out_irradiance = light.lights / light.samples + mean_reflected(light, state.kept) + light.environment;
    out_environment = light.environment;
    out_ambient_visibility = light.ambient_visibility * around;
    gl_Position = frame.view_projection * vec4(v.position, 1.0);
}
