// Rays. The hit shaders only report where a ray ended; shading happens in the ray generation shader.

layout(set = 0, binding = SLOT_TLAS) uniform accelerationStructureEXT scene_tlas;

struct Hit {
    float t;            // negative: nothing was hit
    uint part;
    uint triangle;
    vec2 barycentric;
};

layout(location = 0) rayPayloadEXT Hit hit;


// A start just outside the surface. A hit point is off by a few units in the last place of its largest coordinate
// (6e-8 relative); 20 micrometres at the scale of a head is far above that and far below a mean free path.
vec3 offset_origin(vec3 p, vec3 n)
{
    return p + n * (2e-5 * max(1.0, max(abs(p.x), max(abs(p.y), abs(p.z)))));
}
