// Rays. The hit shaders only report where a ray ended; shading happens in the ray generation shader.

#include "hit.glsl"

layout(set = 0, binding = SLOT_TLAS) uniform accelerationStructureEXT scene_tlas;

// What rays are asked to do: where nothing is cut out, not to ask what they meet whether it is there.
#if CUT_PARTS
const uint RAYS_MEET = gl_RayFlagsNoneEXT;
#else
const uint RAYS_MEET = gl_RayFlagsOpaqueEXT;
#endif

layout(location = 0) rayPayloadEXT Hit hit;

// Before a ray that may meet what is cut out: chance decides anew about what is blended, by what is given here.
void salt_ray(uint salt)
{
#if CUT_PARTS
    hit.part = salt;
#endif
}

// A start just outside the surface. A hit point is off by a few units in the last place of its largest coordinate
// (6e-8 relative); 20 micrometres at the scale of a head is far above that and far below a mean free path.
vec3 offset_origin(vec3 p, vec3 n)
{
    return p + n * (2e-5 * max(1.0, largest(abs(p))));
}
