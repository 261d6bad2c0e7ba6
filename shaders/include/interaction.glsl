// What a surface is to a path that meets it, and how the path is scattered there: by a rough boundary with a medium or
// nothing behind it (dielectric.glsl), or by a lobe above a base (brdf.glsl).

struct Interaction {
    Surface s;           // turned towards where the path comes from
    vec3 outside;        // the surface's own normals, geometric and smooth
    vec3 smooth_outside;
    bool inside;         // the path comes from within
    bool leaving;        // it has walked below the skin
    bool skin;           // the surface is a rough boundary above a medium,
    bool clear;          // or one above nothing,
    bool bounded;        // either of both; or else a lobe above a base
    Boundary boundary;
    Lobe lobe;
    vec3 specular_gain;  // of the lobe
    vec3 diffuse;        // what the base reflects
    float choose_specular;
    mat3 frame_of_normal;
    vec3 wo;             // where the path comes from, in this frame
    vec3 origin;         // of rays that leave on the side where lights are looked for
    float light_side;    // 1 or -1: of the normal
};

// How a direction of scattering was drawn, and what it is worth.
struct Scattering {
    vec3 direction;             // in the frame of the normal
    float weight_of_boundary;
    vec3 value;                 // f * cosine
    float density;
    float ratio;                // as Path.found_ratio
};

// What the surface is to a path that comes along `direction`. Mixtures of models are mixtures of paths.
Interaction interaction_at(Surface s, vec3 direction, bool leaving)
{
    Interaction x;
    x.leaving = leaving;
    x.inside = dot(direction, s.geometric_normal) > 0.0;
    x.outside = s.geometric_normal;
    x.smooth_outside = s.smooth_normal;
    vec3 lifted = s.lifted;
    face_viewer(s, -direction);
    x.s = s;
    x.skin = leaving;
    x.clear = false;
#if CLEAR_PARTS
    if (!leaving && s.transmission > 0.0) x.clear = s.transmission >= 1.0 || random_float() < s.transmission;
#endif
    float below = leaving || x.clear || x.inside || SUBSURFACE == 0 ? 0.0 : s.subsurface * (1.0 - s.metallic);
    if (below > 0.0) x.skin = below >= 1.0 || random_float() < below;
    x.bounded = x.skin || x.clear;
    bool second = x.bounded && s.second_weight > 0.0 && random_float() < s.second_weight;

    x.lobe = surface_lobe(s);
    x.frame_of_normal = basis_around(s.normal);
    x.wo = -direction * x.frame_of_normal;
    x.boundary.within = x.inside;
    x.boundary.alpha = second ? s.second_roughness * s.second_roughness : x.lobe.alpha;
    x.boundary.eta = x.inside ? 1.0 / s.ior : s.ior;
    x.boundary.gain = 1.0;
    if (x.bounded && ENERGY_COMPENSATION != 0) x.boundary.gain = dielectric_gain(s.dielectric, x.inside, x.boundary.alpha, x.wo.z);
    x.specular_gain = ENERGY_COMPENSATION != 0 ? specular_gain(x.lobe, x.wo.z) : vec3(1.0);
    x.diffuse = x.bounded ? vec3(0.0) : x.lobe.base * base_leave(x.lobe, x.wo.z);
    x.choose_specular = 0.0;
    if (!x.bounded) {
        float share_specular = mean(x.specular_gain * specular_albedo(x.lobe, x.wo.z));
        float share_base = mean(x.diffuse);
        if (share_specular > 0.0)
            x.choose_specular = share_base > 0.0 ? clamp(share_specular / (share_specular + share_base), 0.1, 0.9) : 1.0;
    }
    x.light_side = x.skin && x.inside ? -1.0 : 1.0;
    x.origin = offset_origin(x.skin && x.inside ? lifted : s.lifted, x.light_side * s.geometric_normal);
    return x;
}

Scattering draw_direction(Interaction x)
{
    Scattering drawn;
    drawn.weight_of_boundary = 0.0;
    if (x.bounded) {
        drawn.direction = boundary_sample(x.boundary, x.wo, drawn.weight_of_boundary);
    } else {
        float which = random_float();
        vec2 xi = random_vec2();
        drawn.direction = which < x.choose_specular ? specular_sample(x.lobe, x.wo, xi) : sample_cosine_hemisphere(xi);
    }
    return drawn;
}

// f * cosine for a direction in the frame of the normal; `density` is draw_direction's.
vec3 scattered_towards(Interaction x, vec3 wi, out float density)
{
    density = 0.0;
    if (x.bounded) return vec3(boundary_eval(x.boundary, x.wo, wi, density));
    if (wi.z <= 0.0) return vec3(0.0);
    vec3 value = x.diffuse * base_enter(x.lobe, wi.z) * (wi.z / PI);
    density = (1.0 - x.choose_specular) * (wi.z / PI);
    if (x.choose_specular > 0.0) {
        value += x.specular_gain * specular_eval(x.lobe, x.wo, wi);
        density += x.choose_specular * specular_pdf(x.lobe, x.wo, wi);
    }
    return value;
}
