// Adds `scale` times the index to every number, `OFFSET` more, and `count` says how many numbers there are.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const float special = 0.0;
layout(constant_id = 2) const int signed_special = 0;
layout(constant_id = 3) const bool enabled = false;
layout(set = 0, binding = 0, scalar) buffer Numbers { float numbers[]; };
layout(push_constant, scalar) uniform Push { uint count; float scale; uint8_t odd; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= count) return;
    numbers[i] += scale * float(i) + float(OFFSET) + special + float(signed_special) + float(odd);
    if (enabled) numbers[i] += 1000.0;
}
