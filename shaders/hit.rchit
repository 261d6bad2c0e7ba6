// Reports where a ray ended.
layout(location = 0) rayPayloadInEXT struct { float t; uint part; uint triangle; vec2 barycentric; } hit;
hitAttributeEXT vec2 barycentric;

void main()
{
    hit.t = gl_HitTEXT;
    hit.part = gl_InstanceCustomIndexEXT + gl_GeometryIndexEXT; // see SceneBuffers
    hit.triangle = gl_PrimitiveID;
    hit.barycentric = barycentric;
}
