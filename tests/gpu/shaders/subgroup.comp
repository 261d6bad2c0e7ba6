// How many threads a subgroup has.
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) writeonly buffer Sizes { uint sizes[]; };

void main() { sizes[gl_GlobalInvocationID.x] = gl_SubgroupSize; }
