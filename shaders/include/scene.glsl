// What every pass knows of the scene. Structs, constants and slots come from app/passes/scene_layout.py; scene_buffers.py
// beside it fills them.

#include "scene_structs.glsl" // generated
#include "texels.glsl"

TEXELS(SLOT_VERTICES, vertices); // two texels each
TEXELS(SLOT_LIGHT_UVS, light_uvs); // half a texel each
layout(set = 0, binding = SLOT_INDICES, scalar) readonly buffer Indices { uint indices[]; };
layout(set = 0, binding = SLOT_TRIANGLE_PARTS, scalar) readonly buffer TriangleParts { uint triangle_parts[]; }; // of all parts' triangles
layout(set = 0, binding = SLOT_PARTS, scalar) readonly buffer Parts { Part parts[]; };
TEXELS(SLOT_MATERIALS, materials);
TEXELS(SLOT_LIGHTS, lights);
TEXELS(SLOT_DISCS, discs);
layout(set = 0, binding = SLOT_ENVIRONMENT, scalar) readonly buffer EnvironmentBuffer { Environment environment; };
layout(set = 0, binding = SLOT_ENVIRONMENT_ALIAS, scalar) readonly buffer EnvironmentAlias { EnvironmentTexel environment_alias[]; };
TEXELS(SLOT_GGX_ALBEDO, ggx_albedo);
layout(set = 0, binding = SLOT_DIELECTRICS, scalar) readonly buffer Dielectrics { float dielectrics[]; };
layout(set = 0, binding = SLOT_FRAME, scalar) readonly buffer FrameBuffer { Frame frame; };
layout(set = 0, binding = SLOT_TEXTURES) uniform sampler2D textures[TEXTURE_COUNT];
layout(set = 0, binding = SLOT_ENVIRONMENT_LEVELS) uniform sampler2D environment_levels[ENVIRONMENT_LEVELS + 1]; // the last: the backdrop

#include "scene_loaders.glsl" // generated: load_material, load_light, load_disc

vec3 vertex_position(uint vertex) { return texel(vertices, 2u * vertex).xyz; }
Vertex load_vertex(uint vertex)
{
    vec4 low = texel(vertices, 2u * vertex), high = texel(vertices, 2u * vertex + 1u);
    return Vertex(low.xyz, vec3(low.w, high.xy), high.zw);
}

vec2 vertex_light_uv(uint vertex) // where it lies in the light cache (app/scene/even_layout.py)
{
    vec4 pair = texel(light_uvs, vertex >> 1u);
    return (vertex & 1u) == 0u ? pair.xy : pair.zw;
}

// The same of a place of a triangle whose corners start `at` this index.
vec2 light_uv_at(uint at, vec2 barycentric)
{
    return (1.0 - barycentric.x - barycentric.y) * vertex_light_uv(indices[at])
         + barycentric.x * vertex_light_uv(indices[at + 1u]) + barycentric.y * vertex_light_uv(indices[at + 2u]);
}

#include "sampling.glsl"
#include "brdf.glsl"
#include "lights.glsl"
#include "environment.glsl"

// Ray through a point of the image, in pixels (0,0 = upper left corner). Not normalised: its component along
// the view axis is 1, so that a hit's distance along it is the view-space depth.
vec3 camera_ray(vec2 pixel)
{
    vec2 s = pixel / vec2(frame.size) * 2.0 - 1.0;
    return frame.camera_forward + s.x * frame.camera_right - s.y * frame.camera_up;
}

float view_depth(float d) // depth buffer value -> metres along the view axis
{
    return frame.near * frame.far / (frame.far - d * (frame.far - frame.near));
}
