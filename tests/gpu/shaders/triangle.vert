layout(location = 0) in vec3 position;
layout(location = 1) in vec3 color;
layout(push_constant, scalar) uniform Push { float shift; };
layout(location = 0) out vec3 v_color;

void main() {
    v_color = color;
    gl_Position = vec4(position + vec3(shift, 0, 0), 1);
}
