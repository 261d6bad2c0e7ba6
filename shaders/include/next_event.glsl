// The ways to find light from a point: choosing a place on a light, running into one, and, from below a boundary,
// choosing a place on a light and a way out towards it (a probe, subsurface.glsl).
// SAMPLING 0 combines them (Veach & Guibas 1995); others leave some of them out, which tests compare.

#define USE_CHOSEN (SAMPLING != 2)
#define USE_FOUND (SAMPLING != 1)
#define USE_PROBES (SAMPLING < 2)

// Lamps of the environment map are no lights here: the map has them.
uint light_count() { return frame.light_count - frame.lamp_count; }

// A place on a light, wherever it is seen from.
struct Choice {
    uint light;       // light_count(): the environment
    float pick;       // probability of having chosen this light; 0: none was
    vec2 xi;
    vec3 direction;   // of the environment
    float pdf;
};

struct Arrival {
    vec3 direction;
    float distance;
    vec3 radiance;  // divided by the density of having chosen this direction
    float pdf;      // that density; 0 for lights without size
};

// One light, or the environment, chosen by its `pick`.
Choice choose_light()
{
    Choice c;
    c.direction = vec3(0.0, 1.0, 0.0);
    c.pdf = 0.0;
    float x = random_float();
    c.xi = random_vec2();
    c.light = 0u;
    for (; c.light < light_count(); ++c.light) {
        if (x < load_light(c.light).pick) break;
        x -= load_light(c.light).pick;
    }
    if (c.light < light_count()) {
        c.pick = load_light(c.light).pick;
    } else {
        c.pick = environment.present != 0u ? environment.pick : 0.0;
        if (c.pick > 0.0) c.direction = sample_environment(c.xi, random_vec2(), c.pdf);
    }
    return c;
}

Arrival arrival_at(vec3 p, Choice c)
{
    Arrival a;
    a.direction = c.direction;
    a.distance = LIGHT_FAR;
    a.radiance = vec3(0.0);
    a.pdf = 0.0;
    if (c.pick <= 0.0) return a;
    if (c.light < light_count()) {
        LightSample s = sample_light(load_light(c.light), p, c.xi);
        a.direction = s.direction;
        a.distance = s.distance;
        a.radiance = s.radiance;
        a.pdf = s.pdf;
    } else {
        a.pdf = c.pdf;
        if (a.pdf > 0.0) a.radiance = environment_radiance(a.direction) / a.pdf;
    }
    a.radiance /= c.pick;
    a.pdf *= c.pick;
    return a;
}

// Weights of the three ways, from their densities: that of choosing the light where the path leaves (0 for a light
// without size), that of running into it, and `ratio`, how many times likelier than the first a probe finds it.

// Of tiny lights the first is huge: beyond this its square is no float, and no surface's density comes near it.
const float DENSEST = 1e18;

float weigh_chosen(float chosen_pdf, float bsdf_pdf, float ratio)
{
    bool meets = USE_FOUND && chosen_pdf > 0.0;
    float c = chosen_pdf > 0.0 ? min(chosen_pdf, DENSEST) : 1.0, f = meets ? bsdf_pdf : 0.0;
    if (!USE_CHOSEN) return chosen_pdf > 0.0 ? 0.0 : 1.0;
    return c * c / max(c * c * (1.0 + ratio * ratio) + f * f, 1e-30);
}

float weigh_probed(float chosen_pdf, float bsdf_pdf, float ratio)
{
    bool meets = USE_FOUND && chosen_pdf > 0.0;
    float c = chosen_pdf > 0.0 ? chosen_pdf : 1.0, f = meets ? bsdf_pdf : 0.0;
    float found = f / c;
    return ratio * ratio / (1.0 + ratio * ratio + found * found);
}

float weigh_found(float bsdf_pdf, float chosen_pdf, float ratio)
{
    if (!USE_FOUND) return 0.0;
    if (!USE_CHOSEN) return 1.0;
    return bsdf_pdf * bsdf_pdf / max(bsdf_pdf * bsdf_pdf + chosen_pdf * chosen_pdf * (1.0 + ratio * ratio), 1e-30);
}

// Light that a ray of density `bsdf_pdf` finds before t_max (LIGHT_FAR: it left the scene). Lights hide nothing.
vec3 found_arrival(vec3 origin, vec3 direction, float t_max, float bsdf_pdf, float ratio)
{
    vec3 sum = vec3(0.0);
    for (uint i = 0u; i < light_count(); ++i) {
        vec3 radiance;
        float pdf;
        if (hit_light(load_light(i), origin, direction, t_max, radiance, pdf))
            sum += radiance * weigh_found(bsdf_pdf, pdf * load_light(i).pick, ratio);
    }
    if (t_max >= LIGHT_FAR && environment.present != 0u)
        sum += environment_radiance(direction) * weigh_found(bsdf_pdf, environment_pdf(direction) * environment.pick, ratio);
    return sum;
}
