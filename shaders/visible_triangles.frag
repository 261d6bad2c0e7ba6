// Which triangle the pixel shows, of which part. CUT 1 leaves out what is not opaque enough.

#if CUT
#include "random.glsl"
#include "scene.glsl"
#include "cut_out.glsl"
#endif

#include "visible_triangles.glsl"

layout(push_constant, scalar) uniform PushConstants { VisibleTrianglesPush push; };

layout(location = 0) flat in uint triangle;
#if CUT
layout(location = 1) in vec2 uv;
#endif
layout(location = 0) out uvec2 shown;

#if CUT
const uint EVEN_FRAMES = 8u;

// How opaque a fragment must be to show, 0..1: evenly spread over a pixel's neighbours (interleaved gradient noise: Jimenez 2014)
// and over its frames (golden ratio), so that the mean of a few of either is nearly right. Each triangle has its own, and others
// every few frames: a pixel is not left out by all layers of hair together, nor by the same ones for good.
float threshold()
{
    float spread = fract(52.9829189 * fract(dot(floor(gl_FragCoord.xy), vec2(0.06711056, 0.00583715))));
    uint own = pcg_hash(triangle ^ pcg_hash(push.part ^ pcg_hash(frame.sample_index / EVEN_FRAMES ^ frame.seed)));
    uint turns = frame.sample_index * 2654435769u + own; // in 2^-32
    return fract(spread + unit_float(turns));
}
#endif

void main()
{
#if CUT
    Material m = load_material(parts[push.part].material);
    float alpha = 1.0;
    if (m.albedo_map >= 0) alpha = texture(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y)).a;
    if (!is_there(m, alpha, threshold())) discard;
#endif
    shown = uvec2(push.part, triangle);
}
