// Which pixels of what is blended show in a frame. Include random.glsl and scene.glsl before.

const uint EVEN_FRAMES = 8u;

// How opaque a pixel of a triangle must be to show, 0..1: evenly spread over a pixel's neighbours (interleaved gradient noise: Jimenez
// 2014) and over its frames (golden ratio), so that the mean of a few of either is nearly right. Each triangle has its own, and others
// every few frames: a pixel is not left out by all layers of hair together, nor by the same ones for good.
float even_chance(uvec2 xy, uint part, uint triangle)
{
    float spread = fract(52.9829189 * fract(dot(vec2(xy), vec2(0.06711056, 0.00583715))));
    uint own = pcg_hash(triangle ^ pcg_hash(part ^ pcg_hash(frame.sample_index / EVEN_FRAMES ^ frame.seed)));
    uint turns = frame.sample_index * 2654435769u + own; // in 2^-32
    return fract(spread + unit_float(turns));
}
