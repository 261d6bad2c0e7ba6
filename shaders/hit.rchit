// Reports where a ray ended.
#include "scene_structs.glsl" // generated
#include "primitives.glsl"
#include "hit.glsl"

layout(location = 0) rayPayloadInEXT Hit hit;
hitAttributeEXT vec2 barycentric;

void main()
{
    Primitive primitive = primitives[gl_InstanceCustomIndexEXT + gl_PrimitiveID];
    hit.t = gl_HitTEXT;
    hit.part = primitive.part;
    hit.triangle = primitive.triangle;
    hit.barycentric = barycentric;
}
