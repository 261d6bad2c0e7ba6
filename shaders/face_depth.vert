// Where the face can be, and how far away: the interval in which the G-buffer's rays look for it.

#include "scene.glsl"

void main()
{
    gl_Position = frame.view_projection * vec4(vertices[gl_VertexIndex].position, 1.0);
}
