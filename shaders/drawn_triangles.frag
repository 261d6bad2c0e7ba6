// Which triangle the pixel shows, of which part. CUT 1 leaves out what is not opaque enough.

#if CUT
#include "random.glsl"
#include "scene.glsl"
#include "cut_out.glsl"
#include "even_chance.glsl"
#endif

#include "drawn_triangles.glsl"

layout(push_constant, scalar) uniform PushConstants { DrawnTrianglesPush push; };

layout(location = 0) flat in uint triangle;
#if CUT
layout(location = 1) in vec2 uv;
#endif
layout(location = 0) out uvec2 shown;

void main()
{
#if CUT
    Material m = load_material(parts[push.part].material);
    float alpha = 1.0;
    if (m.albedo_map >= 0) alpha = texture(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y)).a;
    if (!is_there(m, alpha, even_chance(uvec2(gl_FragCoord.xy), push.part, triangle))) discard;
#endif
    shown = uvec2(push.part, triangle);
}
