// Leaves a triangle where it is nearer than what is there.

#include "random.glsl"
#include "scene.glsl"
#include "cut_out.glsl"
#include "even_chance.glsl"
#include "visible.glsl"

layout(set = 0, binding = SLOT_PIXELS, scalar) buffer Pixels { uint64_t pixels[]; };

layout(location = 0) flat in uint triangle;
#if CUT_PARTS
layout(location = 1) in vec2 uv;
#endif

void main()
{
    uvec2 xy = uvec2(gl_FragCoord.xy);
#if CUT_PARTS
    uint part = triangle_parts[triangle];
    Material m = load_material(parts[part].material);
    float alpha = 1.0;
    if (m.albedo_map >= 0) alpha = texture(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y)).a;
    if (!is_there(m, alpha, even_chance(xy, part, triangle - parts[part].first_index / 3u))) return;
#endif
    atomicMin(pixels[surface_index(xy, frame.tiles_x)], (uint64_t(floatBitsToUint(gl_FragCoord.z)) << 32) | uint64_t(~triangle));
}
