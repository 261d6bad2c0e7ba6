// The surface that a view shows: where on the face it is, and its albedo. BACKS leaves out what faces the light: a ray that
// enters there leaves by the nearest back, and a place that something hides from the light sees that thing's back.

#include "scene.glsl"
#include "light_maps.glsl"

layout(push_constant, scalar) uniform PushConstants { MapPush push; };

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
layout(location = 3) in vec2 light_uv;
layout(location = 0) out uvec2 seen;

void main()
{
    Material m = load_material(parts[push.part].material);
    vec3 albedo = m.albedo;
    if (m.albedo_map >= 0) albedo *= texture(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y)).rgb;
    seen = uvec2(packHalf2x16(light_uv), packUnorm4x8(vec4(albedo, 0.0)));
#if BACKS
    vec3 outside = cross(dFdx(position), dFdy(position));
    if (dot(outside, normal) < 0.0) outside = -outside;
    if (dot(outside, views[push.view].forward) <= 0.0) discard;
#endif
}
