// Reports that a ray hit nothing.
#include "hit.glsl"

layout(location = 0) rayPayloadInEXT Hit hit;

void main()
{
    hit.t = -1.0;
}
