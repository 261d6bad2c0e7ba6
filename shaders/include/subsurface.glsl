// Light below the surface: a random walk through a homogeneous, isotropically scattering medium whose boundary neither
// reflects nor bends (the GGX lobe above it stands for both). Albedo and reach are what an artist sees, and are turned
// into the medium's, as Chiang, Kutz & Burley 2016 do ("Practical and Controllable Subsurface Scattering for Production
// Path Tracing"); the formulas are others, which also hold for white and for dark skin.

struct Medium {
    vec3 albedo;      // of a single scattering event
    vec3 extinction;  // per metre
};

// `reflectance`: what a thick, flat, evenly lit layer shall reflect. `reach`: the distance in metres over which light
// below the surface fades to 1/e (the diffuse mean free path).
Medium medium_of(vec3 reflectance, vec3 reach)
{
    vec3 a = clamp(reflectance, vec3(0.0), vec3(1.0));
    // Inverse of van de Hulst's reflectance of a half space (Kulla & Conty 2017, "Revisiting Physically Based Shading
    // at Imageworks"); exact to about 0.2%, and at both ends.
    vec3 s = 4.09712 + 4.20863 * a - sqrt(9.59217 + a * (41.6808 + 17.7126 * a));
    vec3 absorbed = s * s;
    // Light far inside fades as exp(-decay * extinction * x), where decay solves albedo = decay / atanh(decay). This fit
    // has the right ends: sqrt(3 absorbed) for little absorption (diffusion), 1 for no scattering. A white medium never
    // fades: its reach has to come from a finite decay.
    vec3 decay = sqrt(3.0 * absorbed / (1.0 + absorbed * (0.8 + 1.2 * absorbed)));
    Medium m;
    m.albedo = 1.0 - absorbed;
    m.extinction = 1.0 / (max(reach, vec3(1e-6)) * max(decay, vec3(0.1)));
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
