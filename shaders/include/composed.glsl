// The neural picture of this frame at a pixel: face, what is in front of or beside it, and what nothing hides.

#include "radiance.glsl"

layout(set = 0, binding = SLOT_SURFACE, scalar) readonly buffer SurfaceBuffer { vec2 surface[]; };
layout(set = 0, binding = SLOT_FACE_RADIANCE, scalar) readonly buffer FaceRadiance { uvec2 face_radiance[]; };
layout(set = 0, binding = SLOT_BACKGROUND_RADIANCE, rgba16f) uniform readonly image2D background_radiance;

vec3 composed(uvec2 xy, vec2 at_surface)
{
    if (is_face(at_surface.x)) return unpack_radiance(face_radiance[surface_index(tile_of(xy, frame.tiles_x), pixel_of(xy))]);
    vec4 background = imageLoad(background_radiance, ivec2(xy));
    if (background.a > 0.0) return background.rgb;
    return backdrop(normalize(camera_ray(vec2(xy) + 0.5 + frame.jitter)));
}
