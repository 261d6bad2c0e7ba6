// The rough boundary of a dielectric: reflection and refraction by GGX microfacets with separable Smith masking and exact
// Fresnel reflectance (Walter et al. 2007, "Microfacet Models for Refraction through Rough Surfaces").
//
// Directions are in a frame whose z axis is the normal on the observer's side; wo points towards the observer.
// Radiance is carried divided by the square of the index of refraction, which refraction leaves as it is: all light
// comes from outside, where the index is 1.

struct Boundary {
    float alpha;  // GGX width
    float eta;    // index beyond the boundary / index on the observer's side
    float gain;   // 1, or what makes up for light that more than one microfacet scatters
    bool within;  // the observer is inside the dielectric
};

const uint MAX_ATTEMPTS = 32u; // at drawing an unmasked direction; about half of them are at least
const float MIN_REFLECTED = 0.1; // share of the paths from outside that follow the reflection, at least

// Density of wi beyond the boundary when the microfacet is drawn from the visible ones and all light is refracted.
// `cosine` is between wo and the microfacet.
float refraction_pdf(float alpha, float eta, vec3 wo, vec3 wi, out float cosine)
{
    vec3 h = normalize(wo + eta * wi);
    if (h.z < 0.0) h = -h;
    cosine = dot(wo, h);
    float beyond = dot(wi, h);
    if (cosine <= 0.0 || beyond >= 0.0 || wo.z <= 0.0 || wi.z >= 0.0) return 0.0;
    float s = cosine + eta * beyond;
    return ggx_distribution(alpha, h) * smith_g1(alpha, wo.z) * cosine / wo.z * (eta * eta * -beyond / (s * s));
}

// With what probability a path follows the reflection at a microfacet of this reflectance.
float choose_reflection(Boundary b, float reflectance)
{
    return b.within ? reflectance : max(reflectance, MIN_REFLECTED);
}

// From within, where a walk comes by often, directions are drawn again until they are not masked: paths then keep their
// weight, which many random factors would make noisy. It takes a boundary that scatters all light.
bool exact(Boundary b)
{
    return ENERGY_COMPENSATION != 0 && b.within;
}

// f * cosine, on either side; `density` is boundary_sample's.
float boundary_eval(Boundary b, vec3 wo, vec3 wi, out float density)
{
    density = 0.0;
    if (wo.z <= 0.0 || wi.z == 0.0) return 0.0;
    float cosine, pdf;
    if (wi.z > 0.0) {
        vec3 h = normalize(wo + wi);
        cosine = dot(wo, h);
        pdf = ggx_distribution(b.alpha, h) * smith_g1(b.alpha, wo.z) / (4.0 * wo.z);
    } else {
        pdf = refraction_pdf(b.alpha, b.eta, wo, wi, cosine);
        if (pdf <= 0.0) return 0.0;
    }
    float reflectance = fresnel_dielectric(cosine, b.eta), chosen = choose_reflection(b, reflectance);
    float masked = b.gain * smith_g1(b.alpha, abs(wi.z));
    density = pdf * (wi.z > 0.0 ? chosen : 1.0 - chosen) * (exact(b) ? masked : 1.0);
    return pdf * (wi.z > 0.0 ? reflectance : 1.0 - reflectance) * masked;
}

// A direction of scattering; `weight` is f * cosine / density, 0 where the path ends.
vec3 boundary_sample(Boundary b, vec3 wo, out float weight)
{
    weight = 0.0;
    vec3 wi = wo;
    [[dont_unroll]] for (uint attempt = 0u; attempt < MAX_ATTEMPTS && weight == 0.0; ++attempt) {
        vec3 h = sample_visible_normal(b.alpha, wo, random_vec2());
        float reflectance = fresnel_dielectric(dot(wo, h), b.eta);
        float chosen = choose_reflection(b, reflectance);
        bool reflects = random_float() < chosen;
        wi = reflects ? reflect(-wo, h) : refract(-wo, h, 1.0 / b.eta);
        float unmasked = reflects == (wi.z > 0.0) ? smith_g1(b.alpha, abs(wi.z)) : 0.0;
        if (exact(b)) {
            weight = random_float() < unmasked ? 1.0 : 0.0;
        } else {
            weight = b.gain * unmasked * (reflects ? reflectance / chosen : (1.0 - reflectance) / (1.0 - chosen));
            break;
        }
    }
    return wi;
}

#if CLEAR_PARTS
// What is left of light that passes a clear part unbent, leaving a place inside or outside it: its Fresnel
// transmittance, and the narrowing of its solid angle inside, which refraction would bring about.
float clear_transmittance(uint part_index, uint triangle, vec2 barycentric, vec3 direction)
{
    Part part = parts[part_index];
    Material m = load_material(part.material);
    uint at = part.first_index + 3u * triangle;
    vec3 a = load_vertex(indices[at]).normal, b = load_vertex(indices[at + 1u]).normal, c = load_vertex(indices[at + 2u]).normal;
    float cosine = dot(direction, normalize((1.0 - barycentric.x - barycentric.y) * a + barycentric.x * b + barycentric.y * c));
    float narrowing = cosine > 0.0 ? 1.0 / (m.ior * m.ior) : m.ior * m.ior;
    return m.transmission * (1.0 - fresnel_dielectric(abs(cosine), m.ior)) * narrowing;
}
#endif
