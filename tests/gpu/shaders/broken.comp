layout(local_size_x = 1) in;
#include "fine.glsl"
#include "broken_inner.glsl"
void main() {}
