// Rays. The hit shaders only report where a ray ended; shading happens in the ray generation shader.

layout(set = 0, binding = SLOT_TLAS) uniform accelerationStructureEXT scene_tlas;

struct Hit {
    float t;            // negative: nothing was hit
    uint part;
    uint triangle;
    vec2 barycentric;
};

layout(location = 0) rayPayloadEXT Hit hit;

const uint MASK_FACE = 1u;
const uint MASK_OTHER = 2u;
const uint MASK_ALL = 3u;

void trace(vec3 origin, vec3 direction, float t_max, uint mask)
{
    hit.t = -1.0;
    traceRayEXT(scene_tlas, gl_RayFlagsOpaqueEXT, mask, 0, 0, 0, origin, 0.0, direction, t_max, 0);
}

// True when nothing stands between. Skipping the hit shader leaves the payload as the miss shader has to set it.
bool unoccluded(vec3 origin, vec3 direction, float t_max)
{
    hit.t = 0.0;
    traceRayEXT(scene_tlas, gl_RayFlagsOpaqueEXT | gl_RayFlagsTerminateOnFirstHitEXT | gl_RayFlagsSkipClosestHitShaderEXT,
                MASK_ALL, 0, 0, 0, origin, 0.0, direction, t_max, 0);
    return hit.t < 0.0;
}

// A start just outside the surface. A hit point is off by a few units in the last place of its largest coordinate
// (6e-8 relative); 20 micrometres at the scale of a head is far above that and far below a mean free path.
vec3 offset_origin(vec3 p, vec3 n)
{
    return p + n * (2e-5 * max(1.0, max(abs(p.x), max(abs(p.y), abs(p.z)))));
}
