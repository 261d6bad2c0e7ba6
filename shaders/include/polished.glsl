// What polished surfaces mirror: eyes, whose catch lights are the lamps in their own shape, as far as lids, lashes, brow and
// nose let them through. One direction of the lobe a frame: frames' mean is the whole lobe. Without RAYS only what the vertices
// see of lights and surroundings tells what is in the way.

#if RAYS
layout(set = 0, binding = SLOT_TLAS) uniform accelerationStructureEXT scene_tlas;
#if CUT_PARTS
#include "cut_out.glsl"
#include "primitives.glsl"
#endif
#endif

const float SKIN = 0.4 / PI; // what skin sends of the light that arrives
const float WORTH_A_RAY = 0.1; // of the rest of the surface's light: what is mirrored then shows
const float ABOVE = 1e-4; // metres that rays start above a facet: smooth normals send some of them along it

struct Polish {
    vec3 origin;
    vec3 direction; // that the surface mirrors in this frame
    vec3 weight;    // of what is there
};

Polish polish_at(Surface s, vec3 view, vec3 wo, mat3 tangent_space, Lobe lobe)
{
    vec3 wi = specular_sample(lobe, wo, random_vec2());
    vec3 direction = tangent_space * wi;
    direction = normalize(direction + max(0.0, 0.01 - dot(direction, s.geometric_normal)) * s.geometric_normal);
    return Polish(s.position + ABOVE * s.geometric_normal, direction, specular_gain(lobe, wo.z) * specular_weight(lobe, wo, wi));
}

// Whether a light is so much wider than the lobe that it is mirrored in its own shape.
bool keeps_shape(uint light, vec3 position, Lobe lobe) { return light_width(light_sine(load_light(light), position)) > lobe.alpha + 0.03; }

vec3 lights_mirrored(Polish p, Lobe lobe, Gathered gathered)
{
    vec3 sum = vec3(0.0);
    for (uint i = 0u; i < frame.light_count; ++i) {
        float share = share_seen(gathered, i);
        vec3 radiance;
        float pdf;
        if (share == 0.0 || !keeps_shape(i, p.origin, lobe)) continue;
        if (hit_light(load_light(i), p.origin, p.direction, LIGHT_FAR, radiance, pdf)) sum += (RAYS != 0 ? 1.0 : share) * radiance;
    }
    return sum;
}

#if RAYS
// Whether nothing that is not clear lies this way.
bool is_open(vec3 origin, vec3 direction, float far)
{
    rayQueryEXT query;
    uint flags = gl_RayFlagsTerminateOnFirstHitEXT | (CUT_PARTS != 0 ? gl_RayFlagsNoneEXT : gl_RayFlagsOpaqueEXT);
    rayQueryInitializeEXT(query, scene_tlas, flags, MASK_ALL & ~MASK_CLEAR, origin, 0.0, direction, far);
    while (rayQueryProceedEXT(query)) {
#if CUT_PARTS
        uint primitive = rayQueryGetIntersectionInstanceCustomIndexEXT(query, false) + rayQueryGetIntersectionPrimitiveIndexEXT(query, false);
        vec2 barycentric = rayQueryGetIntersectionBarycentricsEXT(query, false);
        if (is_met(primitives[primitive].part, primitives[primitive].triangle, barycentric, direction, pcg_hash(frame.sample_index ^ floatBitsToUint(origin.x))))
            rayQueryConfirmIntersectionEXT(query);
#endif
    }
    return rayQueryGetIntersectionTypeEXT(query, true) == gl_RayQueryCommittedIntersectionNoneEXT;
}
#endif

// Lights and surroundings, or what is in the way, where that shows beside the `rest` of the surface's light.
vec3 mirrored(Polish p, Lobe lobe, Gathered gathered, vec3 irradiance, vec3 rest)
{
    vec3 lights = lights_mirrored(p, lobe, gathered), sky = environment_blurred(p.direction, 0.0), near = irradiance * SKIN;
#if RAYS
    vec3 far = lights + sky;
    float open = gathered.ambient_visibility;
    if (luminance(p.weight * abs(far - near)) > WORTH_A_RAY * (luminance(rest) + 0.02 * frame.light_level))
        open = is_open(p.origin, p.direction, LIGHT_FAR) ? 1.0 : 0.0;
    return p.weight * mix(near, far, open);
#else
    return p.weight * (lights + mix(near, sky, gathered.ambient_visibility));
#endif
}
