// What makes up for light that more than one microfacet of a rough dielectric's boundary scatters: one over the share that one
// does, back or through. Linear in a table of [within][roughness][cosine] (app/passes/dielectric_table.py).
#include "truncated.glsl"

float dielectric_gain(uint table, bool within, float alpha, float cosine)
{
    const int n = DIELECTRIC_TABLE_SIZE;
    vec2 p = clamp(vec2(cosine, sqrt(alpha)), 0.0, 1.0) * float(n - 1);
    ivec2 i = min(truncated(p), ivec2(n - 2));
    vec2 f = p - vec2(i);
    uint at = table + MEDIUM_TABLE_SIZE + uint(((within ? n : 0) + i.y) * n + i.x);
    float low = mix(dielectrics[at], dielectrics[at + 1u], f.x);
    return 1.0 / mix(low, mix(dielectrics[at + n], dielectrics[at + n + 1], f.x), f.y);
}
