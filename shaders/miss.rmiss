// Reports that a ray hit nothing.
layout(location = 0) rayPayloadInEXT struct { float t; uint part; uint triangle; vec2 barycentric; } hit;

void main()
{
    hit.t = -1.0;
}
