// Light below the surface: a random walk through a homogeneous, isotropically scattering medium below a rough boundary.

struct Medium {
    vec3 albedo;      // of a single scattering event
    vec3 extinction;  // per metre
};

// A walk, and what it knows of the boundary from where it last touched it.
struct Walk {
    Medium medium;
    uint part;
    uint steps;
    float ior;
    vec3 touched;      // a point of the boundary
    vec3 normal;       // there, on the outside
    float alpha;       // width of normals around it among which a place further along is likely to have its own
    float probe_share; // with what probability a light was looked for at the last scattering event; 0: it was none
};

// Normals at nearby places differ from the last one by the mesh's curvature and the normal map.
const float NORMAL_SPREAD = 0.1;
const float PROBE_FLOOR = 0.02; // the least chance of a probe at a scattering event

// `albedo`: what a thick, flat, evenly lit layer shows of the light that passes its boundary. `reach`: the distance in
// metres over which light far inside fades to 1/e (the diffuse mean free path). app/scene/medium.py says how and why.
Medium medium_of(vec3 albedo, vec3 reach, uint table)
{
    vec3 p = clamp(albedo, vec3(0.0), vec3(1.0)) * float(MEDIUM_TABLE_SIZE - 1);
    uvec3 i = min(uvec3(p), uvec3(MEDIUM_TABLE_SIZE - 2));
    uvec3 at = table + i;
    vec3 low = vec3(dielectrics[at.x], dielectrics[at.y], dielectrics[at.z]);
    vec3 high = vec3(dielectrics[at.x + 1u], dielectrics[at.y + 1u], dielectrics[at.z + 1u]);
    vec3 root = mix(low, high, p - vec3(i));
    vec3 absorbed = root * root;
    vec3 decay = sqrt(3.0 * absorbed / (1.0 + absorbed * (0.8 + 1.2 * absorbed)));
    Medium m;
    m.albedo = 1.0 - absorbed;
    m.extinction = 1.0 / (max(reach, vec3(1e-6)) * max(decay, vec3(SMALLEST_DECAY)));
    return m;
}

// One colour channel, chosen by how much light it carries, decides how far the walk flies; all channels are then
// weighted by the density that all of them together gave this flight (Wilkie et al. 2014, hero wavelengths). The sum of
// the channels is the same after a flight as before it, so weights cannot grow.
float sample_flight(vec3 throughput, vec3 extinction, vec2 xi)
{
    float x = xi.x * (throughput.x + throughput.y + throughput.z);
    float e = x < throughput.x ? extinction.x : x < throughput.x + throughput.y ? extinction.y : extinction.z;
    return -log(1.0 - xi.y) / e;
}

// Throughput after a flight of length t that ended at the boundary, or with a scattering event.
vec3 weigh_flight(vec3 throughput, vec3 extinction, float t, bool scattered)
{
    vec3 arriving = throughput * exp(-extinction * t);
    if (scattered) arriving *= extinction;
    float density = arriving.x + arriving.y + arriving.z;
    return density > 0.0 ? arriving * ((throughput.x + throughput.y + throughput.z) / density) : vec3(0.0);
}

// Probability that a flight passes length t.
float flight_passes(vec3 throughput, vec3 extinction, float t)
{
    return dot(throughput, exp(-extinction * t)) / (throughput.x + throughput.y + throughput.z);
}

// A probe looks for a light through the boundary from a scattering event inside: it refracts the light's direction
// through a microfacet of the boundary as it was last touched, and follows that direction outward.
// After Holzschuch 2015 ("Accurate computation of single scattering in participating media with refractive boundaries")
// in purpose; the guess in place of a search, and its combination with what walks find, make it quick and unbiased.

// With what probability a scattering event at p sends one: about that of leaving from there without another event.
float probe_chance(Walk walk, vec3 throughput, vec3 p)
{
    float depth = max(0.0, dot(walk.touched - p, walk.normal));
    return max(flight_passes(throughput, walk.medium.extinction, depth), PROBE_FLOOR);
}

// Density of the outward `direction` of a probe for a light that lies in direction `to_light`.
float probe_pdf(Walk walk, vec3 direction, vec3 to_light)
{
    mat3 around = basis_around(walk.normal);
    float cosine;
    return refraction_pdf(walk.alpha, walk.ior, to_light * around, -direction * around, cosine);
}

vec3 sample_probe(Walk walk, vec3 to_light, vec2 xi)
{
    mat3 around = basis_around(walk.normal);
    vec3 wo = to_light * around;
    return -(around * refract(-wo, sample_visible_normal(walk.alpha, wo, xi), 1.0 / walk.ior));
}

// The density with which probes find light, per density with which lights are chosen where the walk leaves, for a walk
// that flies from its last scattering event along `direction` and passes the distance to the boundary with `passes`.
float probe_ratio(Walk walk, vec3 direction, vec3 to_light, float passes)
{
    float ratio = walk.probe_share * probe_pdf(walk, direction, to_light) * (4.0 * PI) / max(passes, 1e-20);
    return min(ratio, 1e15); // its square is a float
}
