// Surface reflection: one GGX specular lobe over a diffuse (or subsurface) base.
//
// Specular: GGX with separable Smith masking and Schlick's Fresnel, sampled by visible normals
// (Walter et al. 2007; Heitz 2018). Base: what the specular lobe leaves, symmetric in both directions
// (Kelemen & Szirmay-Kalos 2001), so that a white base under any roughness reflects exactly what arrives.
// Directions are in the frame of the shading normal (z = n), pointing away from the surface.

#include "truncated.glsl"

struct Lobe {
    vec3 f0;         // Fresnel reflectance at normal incidence
    float f90;       // and at grazing angles: 0 switches the lobe off (ior 1)
    float alpha;     // GGX width = roughness squared
    vec3 base;       // diffuse albedo below the specular lobe (0 for metals)
    float metallic;
};

// f90 of an f0: what reflects next to nothing at normal incidence does so at grazing angles.
float grazing_reflectance(float f0) { return clamp(50.0 * f0, 0.0, 1.0); }

// Directional albedo of the lobe for F = 1 splits into f0 * x + f90 * y (Karis 2013). Row = roughness, column = cosine.
vec2 ggx_albedo_lookup(float cosine, float roughness)
{
    const int n = GGX_TABLE_SIZE;
    vec2 p = clamp(vec2(cosine, roughness), 0.0, 1.0) * float(n - 1);
    ivec2 i = min(truncated(p), ivec2(n - 2));
    vec2 f = p - vec2(i);
    int at = i.y * n + i.x;
    vec4 low = texel(ggx_albedo, at), high = texel(ggx_albedo, at + n); // a texel holds its right neighbour, too
    return mix(mix(low.xy, low.zw, f.x), mix(high.xy, high.zw, f.x), f.y);
}

vec2 ggx_mean_albedo_lookup(float roughness)
{
    const int n = GGX_TABLE_SIZE;
    float p = clamp(roughness, 0.0, 1.0) * float(n - 1);
    int i = min(truncated(p), n - 2);
    vec4 row = texel(ggx_albedo, n * n + i);
    return mix(row.xy, row.zw, p - float(i));
}

vec3 specular_albedo(Lobe lobe, float cosine)
{
    vec2 t = ggx_albedo_lookup(cosine, sqrt(lobe.alpha));
    return min(lobe.f0 * t.x + lobe.f90 * t.y, vec3(1.0));
}

vec3 specular_mean_albedo(Lobe lobe)
{
    vec2 t = ggx_mean_albedo_lookup(sqrt(lobe.alpha));
    return min(lobe.f0 * t.x + lobe.f90 * t.y, vec3(0.999));
}

// What makes up for light that more than one facet of a metal scatters, 1 for all else: by one over the share that one does,
// as f0 colours it (Turquin 2019, "Practical multiple scattering compensation for microfacet models"). `albedo`: of a look-up.
vec3 compensation(Lobe lobe, vec2 albedo)
{
    return vec3(1.0) + lobe.metallic * lobe.f0 * (1.0 / (albedo.x + albedo.y) - 1.0);
}

// What the specular lobe is multiplied with, seen at this angle.
vec3 specular_gain(Lobe lobe, float cosine) { return compensation(lobe, ggx_albedo_lookup(cosine, sqrt(lobe.alpha))); }

// The share of light from all sides that goes back: from the base, and what never entered it.
vec3 reflectance(Lobe lobe)
{
    vec3 specular = specular_mean_albedo(lobe), gain = compensation(lobe, ggx_mean_albedo_lookup(sqrt(lobe.alpha)));
    return mix(lobe.base, vec3(1.0), specular) + specular * (gain - vec3(1.0));
}

vec3 fresnel(Lobe lobe, float cosine)
{
    float m = 1.0 - clamp(cosine, 0.0, 1.0);
    float m2 = m * m;
    return lobe.f0 + (vec3(lobe.f90) - lobe.f0) * (m2 * m2 * m);
}

// A smooth dielectric boundary's reflectance for unpolarised light; 1 for total internal reflection.
float fresnel_dielectric(float cosine, float eta)
{
    float beyond = eta * eta - 1.0 + cosine * cosine;
    if (beyond <= 0.0) return 1.0;
    float g = sqrt(beyond);
    float a = (g - cosine) / (g + cosine);
    float b = (cosine * (g + cosine) - 1.0) / (cosine * (g - cosine) + 1.0);
    return 0.5 * a * a * (1.0 + b * b);
}

float ggx_distribution(float alpha, vec3 h)
{
    float a2 = alpha * alpha;
    float d = dot(h.xy, h.xy) + a2 * h.z * h.z; // sin^2 + a2 cos^2: 1 - cos^2 would cancel for mirrors
    return a2 / (PI * d * d);
}

float smith_g1(float alpha, float cosine)
{
    float a2 = alpha * alpha;
    return 2.0 * cosine / (cosine + sqrt(a2 + (1.0 - a2) * cosine * cosine));
}

// f * cosine of facets that stand at this cosine to both directions, of which there are `d`.
vec3 facets_eval(Lobe lobe, float wo_z, float wi_z, float cosine, float d)
{
    float g = smith_g1(lobe.alpha, wo_z) * smith_g1(lobe.alpha, wi_z);
    return fresnel(lobe, cosine) * (d * g / (4.0 * wo_z));
}

// f * cosine of the specular lobe, without its gain.
vec3 specular_eval(Lobe lobe, vec3 wo, vec3 wi)
{
    if (wo.z <= 0.0 || wi.z <= 0.0) return vec3(0.0);
    vec3 h = normalize(wo + wi);
    return facets_eval(lobe, wo.z, wi.z, dot(wo, h), ggx_distribution(lobe.alpha, h));
}

// The half vectors of a round light, which fill an ellipse of slopes, longer across the plane of incidence by 1 / cos(h, wo):
// three discs side by side stand for it. The middle one weighs as much as the ellipse has there, the outer ones are where the
// second moments are the ellipse's. All that lobes of any width need to know of a light.
struct HalfVectors {
    float cosine;  // of the middle one to either direction
    float width2;  // of a disc: how far the light's size moves half vectors (`light_width`), squared
    vec3 s2, c2;   // sines and cosines of the discs' middles, squared
    vec3 weight;   // of the discs
};

// `wi` leads to the light's middle; both directions are above the horizon.
HalfVectors half_vectors(vec3 wo, vec3 wi, float width)
{
    HalfVectors halves;
    vec3 h = normalize(wo + wi);
    halves.cosine = dot(wo, h);
    halves.width2 = width * width;
    float cosine = max(halves.cosine, 0.05), middle = min(cosine, 0.5), outer = 0.5 - 0.5 * middle;
    halves.weight = vec3(outer, middle, outer);
    // How much higher the outer discs are, and how much longer their half vectors, squared.
    float aside = 0.25 * width * (wo.x * wi.y - wo.y * wi.x) / (cosine * cosine * sqrt(1.0 - middle));
    float longer = 0.25 * halves.width2 * (1.0 / (cosine * cosine) - 1.0) / (1.0 - middle);
    vec3 rise = max(vec3(-aside, 0.0, aside), 1e-3 - h.z), stretch = vec3(longer, 0.0, longer);
    // 1 - cos^2 would cancel for mirrors.
    halves.s2 = clamp((dot(h.xy, h.xy) + stretch - rise * (2.0 * h.z + rise)) / (1.0 + stretch), 0.0, 1.0 - 1e-6);
    halves.c2 = 1.0 - halves.s2;
    return halves;
}

// The mean of `ggx_distribution` over the half vectors of a round light.
//
// Slopes of GGX are distributed as a^2 / (pi (a^2 + s^2)^2), which is the uniform sphere seen by stereographic projection. So
// the share of them within a disc is that of a spherical cap, in closed form.
float ggx_distribution_wide(float alpha, HalfVectors halves)
{
    float a2 = alpha * alpha, w2 = halves.width2;
    // With slopes s2 / c2 and radius^2 = w2 / c2, all times c2.
    vec3 apart = halves.s2 + a2 * halves.c2 - w2;
    vec3 root = max(sqrt(apart * apart + 4.0 * a2 * w2 * halves.c2), vec3(1e-12));
    vec3 beside = 2.0 * a2 / (root * (root + max(apart, vec3(0.0))));
    vec3 around = 0.5 * (root - apart) / (root * halves.c2 * max(w2, 1e-20)); // the same, where the disc holds most slopes
    return dot(halves.weight, mix(around, beside, greaterThan(apart, vec3(0.0)))) / PI;
}

// As `specular_eval`, mean over a round light.
vec3 specular_eval_wide(Lobe lobe, float wo_z, float wi_z, HalfVectors halves)
{
    return facets_eval(lobe, wo_z, wi_z, halves.cosine, ggx_distribution_wide(lobe.alpha, halves));
}

float specular_pdf(Lobe lobe, vec3 wo, vec3 wi)
{
    if (wo.z <= 0.0 || wi.z <= 0.0) return 0.0;
    vec3 h = normalize(wo + wi);
    return ggx_distribution(lobe.alpha, h) * smith_g1(lobe.alpha, wo.z) / (4.0 * wo.z);
}

// A microfacet's normal by spherical caps (Dupuy & Benyoub 2023, "Sampling Visible GGX Normals with Spherical Caps").
vec3 sample_visible_normal(float alpha, vec3 wo, vec2 xi)
{
    vec3 stretched = normalize(vec3(wo.xy * alpha, wo.z));
    float phi = 2.0 * PI * xi.x;
    float z = (1.0 - xi.y) * (1.0 + stretched.z) - stretched.z;
    float r = sqrt(clamp(1.0 - z * z, 0.0, 1.0));
    vec3 h = vec3(r * cos(phi), r * sin(phi), z) + stretched;
    return normalize(vec3(h.xy * alpha, max(h.z, 1e-6)));
}

vec3 specular_sample(Lobe lobe, vec3 wo, vec2 xi)
{
    return reflect(-wo, sample_visible_normal(lobe.alpha, wo, xi));
}

// f * cosine / pdf of a direction that specular_sample has drawn; of mirrors, too.
vec3 specular_weight(Lobe lobe, vec3 wo, vec3 wi)
{
    if (wi.z <= 0.0) return vec3(0.0);
    return fresnel(lobe, dot(wo, normalize(wo + wi))) * smith_g1(lobe.alpha, wi.z);
}

// Share of the arriving light that crosses the specular lobe into the base, and the same, normalised, on the way out:
// base radiance = albedo / pi * enter(wi) * leave(wo) * irradiance.
vec3 base_leave(Lobe lobe, float cosine)
{
    return vec3(1.0) - specular_albedo(lobe, cosine);
}

// What `base_leave` is multiplied with to be `base_enter`; the same for all directions.
vec3 base_normalization(Lobe lobe)
{
    return 1.0 / (vec3(1.0) - specular_mean_albedo(lobe));
}

vec3 base_enter(Lobe lobe, float cosine)
{
    return base_leave(lobe, cosine) * base_normalization(lobe);
}
