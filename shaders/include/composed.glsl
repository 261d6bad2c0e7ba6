// The neural picture of this frame at a pixel: face, what is in front of or beside it, and what nothing hides.

#include "radiance.glsl"

layout(set = 0, binding = SLOT_RADIANCE, scalar) readonly buffer TileRadiance { uvec2 radiance[]; };

vec3 composed(uvec2 xy)
{
    uvec2 halves = radiance[surface_index(xy, frame.tiles_x)];
    if (is_drawn(halves)) return unpack_radiance(halves).rgb;
    return backdrop(normalize(camera_ray(vec2(xy) + 0.5 + frame.jitter)));
}
