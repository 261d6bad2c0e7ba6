layout(location = 0) rayPayloadInEXT vec4 payload;
hitAttributeEXT vec2 barycentric;

void main() {
    payload = vec4(barycentric, gl_HitTEXT, float(gl_InstanceCustomIndexEXT * 100 + gl_GeometryIndexEXT * 10 + gl_PrimitiveID));
}
