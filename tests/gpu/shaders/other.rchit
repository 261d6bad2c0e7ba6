layout(location = 0) rayPayloadInEXT vec4 payload;

void main() {
    payload = vec4(0, 0, gl_HitTEXT, 7777);
}
