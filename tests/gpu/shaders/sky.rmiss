layout(location = 0) rayPayloadInEXT vec4 payload;

void main() {
    payload = vec4(-1);
}
