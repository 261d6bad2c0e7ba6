// Reports where a ray ended.
#include "scene_structs.glsl" // generated

layout(set = 0, binding = SLOT_PRIMITIVES, scalar) readonly buffer Primitives { Primitive primitives[]; };
layout(location = 0) rayPayloadInEXT struct { float t; uint part; uint triangle; vec2 barycentric; } hit;
hitAttributeEXT vec2 barycentric;

void main()
{
    Primitive primitive = primitives[gl_InstanceCustomIndexEXT + gl_PrimitiveID];
    hit.t = gl_HitTEXT;
    hit.part = primitive.part;
    hit.triangle = primitive.triangle;
    hit.barycentric = barycentric;
}
