// Where the face can be, and how far away: the interval in which the G-buffer's rays look for it.

#include "scene.glsl"

void main()
{
    gl_Position = frame.view_projection * vec4(vertex_position(uint(gl_VertexIndex)), 1.0);
}
