// The two ways to find light from a point: choosing a place on a light, and running into one.
// SAMPLING 0 combines them (Veach & Guibas 1995), 1 and 2 use only one of them, which tests compare.

#ifndef SAMPLING
#define SAMPLING 0
#endif

struct Arrival {
    vec3 direction;
    float distance;
    vec3 radiance;  // divided by the density of having chosen this direction
    float pdf;      // that density; 0 for lights without size
};

// One light, or the environment, chosen by its `pick`.
Arrival choose_arrival(vec3 p)
{
    Arrival a;
    a.direction = vec3(0.0, 1.0, 0.0);
    a.distance = LIGHT_FAR;
    a.radiance = vec3(0.0);
    a.pdf = 0.0;
    float x = random_float();
    vec2 xi = random_vec2();
    uint light = 0u;
    for (; light < frame.light_count; ++light) {
        if (x < lights[light].pick) break;
        x -= lights[light].pick;
    }
    float pick;
    if (light < frame.light_count) {
        LightSample s = sample_light(lights[light], p, xi);
        pick = lights[light].pick;
        a.direction = s.direction;
        a.distance = s.distance;
        a.radiance = s.radiance;
        a.pdf = s.pdf;
    } else {
        if (environment.present == 0u || environment.pick <= 0.0) return a;
        pick = environment.pick;
        a.direction = sample_environment(xi, random_vec2(), a.pdf);
        if (a.pdf > 0.0) a.radiance = environment_radiance(a.direction) / a.pdf;
    }
    a.radiance /= pick;
    a.pdf *= pick;
    return a;
}

float weigh_chosen(float chosen_pdf, float bsdf_pdf)
{
#if SAMPLING == 1
    return 1.0;
#elif SAMPLING == 2
    return chosen_pdf > 0.0 ? 0.0 : 1.0;
#else
    return chosen_pdf > 0.0 ? power_heuristic(chosen_pdf, bsdf_pdf) : 1.0;
#endif
}

float weigh_found(float bsdf_pdf, float chosen_pdf)
{
#if SAMPLING == 1
    return 0.0;
#elif SAMPLING == 2
    return 1.0;
#else
    return power_heuristic(bsdf_pdf, chosen_pdf);
#endif
}

// Light that a ray of density `bsdf_pdf` finds before t_max (LIGHT_FAR: it left the scene). Lights hide nothing.
vec3 found_arrival(vec3 origin, vec3 direction, float t_max, float bsdf_pdf)
{
    vec3 sum = vec3(0.0);
    for (uint i = 0u; i < frame.light_count; ++i) {
        vec3 radiance;
        float pdf;
        if (hit_light(lights[i], origin, direction, t_max, radiance, pdf))
            sum += radiance * weigh_found(bsdf_pdf, pdf * lights[i].pick);
    }
    if (t_max >= LIGHT_FAR && environment.present != 0u)
        sum += environment_radiance(direction) * weigh_found(bsdf_pdf, environment_pdf(direction) * environment.pick);
    return sum;
}
