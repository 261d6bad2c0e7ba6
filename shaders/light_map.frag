// The surface that a view shows: where on the face it is, and its albedo; without SURFACES its depth alone. BACKS leaves out
// what faces the light: a ray that enters there leaves by the nearest back, and a place that something hides from the light
// sees that thing's back. CUT leaves out what opacity leaves out.

#if CUT
#include "random.glsl"
#endif
#include "scene.glsl"
#include "light_maps.glsl"
#if CUT
#include "cut_out.glsl"
#endif

layout(push_constant, scalar) uniform PushConstants { MapPush push; };

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
layout(location = 3) in vec2 light_uv;
#if SURFACES
layout(location = 0) out uvec2 seen;
#endif

void main()
{
    Material m = load_material(parts[push.part].material);
    vec4 texel = vec4(1.0);
    if (m.albedo_map >= 0) texel = texture(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y));
#if SURFACES
    seen = uvec2(packHalf2x16(light_uv), packUnorm4x8(vec4(m.albedo * texel.rgb, 0.0)));
#endif
#if CUT
    uvec2 place = uvec2(gl_FragCoord.xy);
    uint layer = pcg_hash(push.part ^ floatBitsToUint(gl_FragCoord.z)); // one part may have many, as cards of hair do
    uint chance = pcg_hash(place.x ^ pcg_hash(place.y ^ pcg_hash(push.view ^ pcg_hash(layer ^ frame.seed))));
    if (!is_there(m, texel.a, unit_float(chance))) discard;
#endif
#if BACKS
    vec3 outside = cross(dFdx(position), dFdy(position));
    if (dot(outside, normal) < 0.0) outside = -outside;
    if (dot(outside, views[push.view].forward) <= 0.0) discard;
#endif
}
