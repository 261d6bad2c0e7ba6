// Lights: directional, spherical (point) and rectangular. Every light with a size can be sampled and can be hit,
// so that both strategies combine by multiple importance sampling (Veach & Guibas 1995). A size of 0 can only be sampled.

struct LightSample {
    vec3 direction;   // unit, towards the light
    float distance;   // metres; LIGHT_FAR (app/scene/lights.py) for directional lights
    vec3 radiance;    // emitted radiance divided by the pdf of `direction` (for a light of size 0: its irradiance)
    float pdf;        // solid-angle pdf; 0 where hitting the light by chance is impossible
};

LightSample sample_light(Light light, vec3 p, vec2 xi)
{
    LightSample s;
    s.radiance = vec3(0.0);
    s.pdf = 0.0;
    s.direction = vec3(0.0, 1.0, 0.0);
    s.distance = LIGHT_FAR;
    if (light.kind == LIGHT_DIRECTIONAL) {
        vec3 axis = -light.direction;
        float omc = one_minus_cos(light.radius * light.radius); // radius holds the sine of the angular radius
        s.direction = omc > 0.0 ? normalize(basis_around(axis) * sample_cone(xi, omc)) : axis;
        // A disc of uniform radiance L = E / (pi sin^2) over its cone of 2 pi omc.
        s.radiance = omc > 0.0 ? light.color * (2.0 * omc / (light.radius * light.radius)) : light.color;
        s.pdf = omc > 0.0 ? 1.0 / (2.0 * PI * omc) : 0.0;
    } else if (light.kind == LIGHT_POINT) {
        vec3 to = light.position - p;
        float d2 = max(dot(to, to), 1e-12);
        float d = sqrt(d2);
        float s2 = light.radius * light.radius / d2;
        if (s2 >= 1.0) return s; // inside the bulb
        float omc = one_minus_cos(s2);
        s.direction = omc > 0.0 ? normalize(basis_around(to / d) * sample_cone(xi, omc)) : to / d;
        s.distance = max(d - light.radius, 0.0); // rounding
        // A sphere of uniform radiance L = I / (pi r^2) over its cone of 2 pi omc.
        s.radiance = omc > 0.0 ? light.color * (2.0 * omc / (light.radius * light.radius)) : light.color / d2;
        s.pdf = omc > 0.0 ? 1.0 / (2.0 * PI * omc) : 0.0;
    } else {
        vec3 q = light.position + (2.0 * xi.x - 1.0) * light.edge_u + (2.0 * xi.y - 1.0) * light.edge_v;
        vec3 to = q - p;
        float d2 = max(dot(to, to), 1e-12);
        s.distance = sqrt(d2);
        s.direction = to / s.distance;
        float cosine = -dot(s.direction, light.direction);
        if (cosine <= 0.0) return s;
        s.pdf = d2 / (cosine * light.area);
        s.radiance = light.color / s.pdf;
    }
    return s;
}

// Radiance that a ray finds on a light nearer than t_max, and the pdf with which sample_light would have chosen it.
bool hit_light(Light light, vec3 origin, vec3 direction, float t_max, out vec3 radiance, out float pdf)
{
    if (light.kind == LIGHT_DIRECTIONAL) {
        float omc = one_minus_cos(light.radius * light.radius);
        // By the sine: cosines of angles below a thousandth are all alike.
        vec3 sine = cross(direction, light.direction);
        bool beside = dot(direction, light.direction) >= 0.0 || dot(sine, sine) > light.radius * light.radius;
        if (omc <= 0.0 || t_max < LIGHT_FAR || beside) return false;
        pdf = 1.0 / (2.0 * PI * omc);
        radiance = light.color / (PI * light.radius * light.radius);
        return true;
    }
    if (light.kind == LIGHT_POINT) {
        if (light.radius <= 0.0) return false;
        vec3 to = light.position - origin;
        float d2 = dot(to, to);
        float along = dot(to, direction);
        float r2 = light.radius * light.radius;
        vec3 beside = to - along * direction; // d2 - along^2 would cancel
        float beside2 = dot(beside, beside);
        if (along <= 0.0 || d2 <= r2 || beside2 > r2) return false;
        if (along - sqrt(r2 - beside2) > t_max) return false;
        pdf = 1.0 / (2.0 * PI * one_minus_cos(r2 / d2));
        radiance = light.color / (PI * r2);
        return true;
    }
    float cosine = -dot(direction, light.direction);
    if (cosine <= 0.0) return false;
    float t = dot(origin - light.position, light.direction) / cosine;
    if (t <= 0.0 || t > t_max) return false;
    vec3 local = origin + t * direction - light.position;
    // Coordinates of the point along the edges, which need not be perpendicular.
    vec3 across_u = cross(light.direction, light.edge_v), across_v = cross(light.direction, light.edge_u);
    if (abs(dot(local, across_u)) > abs(dot(light.edge_u, across_u))) return false;
    if (abs(dot(local, across_v)) > abs(dot(light.edge_v, across_v))) return false;
    pdf = t * t / (cosine * light.area);
    radiance = light.color;
    return true;
}

// The sine of the angular radius of a light, or of a disc as large as it.
float light_sine(Light light, vec3 p)
{
    if (light.kind == LIGHT_DIRECTIONAL) return light.radius;
    vec3 to = light.position - p;
    float radius = light.kind == LIGHT_POINT ? light.radius : sqrt(light.area / PI);
    return radius * inversesqrt(dot(to, to) + radius * radius);
}

// How far a light of this sine moves half vectors by its size: the tangent of half its angular radius.
float light_width(float sine) { return sine / (1.0 + sqrt(max(1.0 - sine * sine, 0.0))); }

// What a surface sees of a disc, without shadows: for shading that does not sample.
struct SeenDisc {
    vec3 direction;  // unit, towards the middle of what is above the horizon
    vec3 irradiance; // on a surface that faces all of it
    float spread;    // by how much its solid angle is more than that irradiance tells: gloss follows the former
    float width;     // of what is above the horizon: see light_width
    float cosine;    // mean over what is above the horizon
    float above;     // share of the disc that is, as seen from there
    float nearer;    // that over the same share of its area: 1 but for near lamps, whose parts above are nearer than those below
};

// The share of a flat disc that is above a line `z` of its radii below its middle.
float flat_above(float z)
{
    z = clamp(z, -1.0, 1.0);
    return 0.5 + z * (0.6366 - 0.1366 * z * z);
}

// The disc's `cosine` and `above` where its rim, at the sine of its angular radius, lies across the horizon and its middle has
// this cosine. Small discs are flat (polynomials within 0.01, of a fit); larger ones are spherical caps, whose solid angle
// (Tovchigrechko & Vakser 2001) and irradiance have closed forms, though not in single precision for small ones.
void cut_at_horizon(float middle, float sine, out float cosine, out float above)
{
    float z = middle / sine;
    if (sine < 0.35) {
        above = flat_above(z);
        cosine = sine * (0.4244 + z * (0.4660 + z * (0.0756 + z * 0.0340))) * (1.0 + 0.33 * sine * sine * (1.0 - z * z));
        return;
    }
    float rim = sqrt(max(1.0 - sine * sine, 0.0)), high = sqrt(max(1.0 - middle * middle, 0.0));
    float at = clamp(-rim * z / max(high, 1e-6), -1.0, 1.0), beside = high * sqrt(1.0 - at * at), angle = acos(at);
    above = max((acos(clamp(-z, -1.0, 1.0)) - rim * angle) / (PI * max(1.0 - rim, 1e-6)), 1e-4);
    cosine = (middle * angle - rim * beside / sine + atan(beside * sine, rim) / (sine * sine)) / (PI * above);
    // Of a thin rest drivers' acos knows too little, but no more than the highest point's cosine, as `irradiance` counts it.
    if (z < 0.0) cosine = max(min(cosine, (middle * rim + sine * high) * 2.0 / (1.0 + rim)), 0.0);
}

// The share of a parallelogram that is above a plane: by how high its middle is, and by how much half an edge rises.
float parallelogram_above(float middle, float rise_u, float rise_v)
{
    float wide = max(abs(rise_u), abs(rise_v)), narrow = min(abs(rise_u), abs(rise_v));
    float away = abs(middle), beyond = wide + narrow - away; // how far it reaches to the middle's other side
    float other = 0.0; // the share that is there
    if (away < wide - narrow) other = 0.5 * (1.0 - away / wide);
    else if (beyond > 0.0) other = beyond * beyond / (8.0 * wide * narrow);
    return middle < 0.0 ? other : 1.0 - other;
}

// The share of the places that sample_light draws that lie above the horizon of a point.
float share_above(Light light, vec3 p, vec3 normal)
{
    vec3 to = light.kind == LIGHT_DIRECTIONAL ? -light.direction : light.position - p;
    if (light.kind == LIGHT_AREA) return parallelogram_above(dot(to, normal), dot(light.edge_u, normal), dot(light.edge_v, normal));
    float distance = light.kind == LIGHT_DIRECTIONAL ? 1.0 : length(to);
    float middle = dot(to, normal) / distance, sine = light.radius / distance, cosine, above;
    if (abs(middle) >= sine) return middle > 0.0 ? 1.0 : 0.0;
    cut_at_horizon(middle, sine, cosine, above);
    return above;
}

// The vector irradiance of a flat disc (Lambert 1760) in closed form, right for any place before it that sees all of it: its parts
// along `to`, which leads to the middle, and straight back to the disc's plane, `ahead` metres away. Irradiance 1 at 1 m, as Disc.
vec2 vector_irradiance(float ahead, float d2, float r2)
{
    float sum = d2 + r2, apart = d2 - r2;
    float root = max(sqrt(apart * apart + 4.0 * r2 * ahead * ahead), 1e-6 * sum);
    return vec2(2.0 * ahead, root - apart) / (root * (sum + root));
}

// Returns false where nothing is, or where it does not shine.
bool see_disc(Disc disc, vec3 p, vec3 normal, out SeenDisc seen)
{
    bool far = disc.kind == LIGHT_DIRECTIONAL, area = disc.kind == LIGHT_AREA;
    vec3 to = far ? disc.place : disc.place - p;
    float d2 = max(dot(to, to), 1e-12), r2 = disc.radius * disc.radius, inverse = inversesqrt(d2);
    vec3 middle = to * inverse;
    float cosine = dot(middle, normal), sine = disc.radius * (far ? 1.0 : inversesqrt(d2 + r2));
    // A rectangle's solid angle by its area; the added area keeps it finite when p comes close.
    float ahead = -dot(to, disc.direction);
    float share = area ? ahead * inverse / (d2 + r2) : 1.0 / d2;
    if (share <= 0.0) return false;
    // So it is on the axis. Beside it, a near one shines from where it is nearest rather than from its middle: from three times
    // its side on, if it is a square, this fades in until 1.8 times. Of what is further networks have learnt the rule for the axis.
    float near = area ? smoothstep(0.0354, 0.1, r2 * inverse * inverse) : 0.0;
    float leaning = 0.0;
    if (near > 0.0) {
        vec2 flow = mix(vec2(share * inverse, 0.0), vector_irradiance(ahead, d2, r2), near);
        leaning = dot(disc.direction, normal);
        share = sqrt(flow.x * flow.x * d2 + (2.0 * flow.x * ahead + flow.y) * flow.y);
        cosine = (flow.x * dot(to, normal) - flow.y * leaning) / share;
        sine = mix(sine, disc.radius * sqrt(share), near); // of a round light that brings as much
    }
    if (cosine <= -sine) return false;
    if (disc.kind == LIGHT_POINT && d2 <= r2) return false; // within a bulb, which shines outwards
    seen.width = light_width(sine);
    seen.spread = 1.0 + seen.width * seen.width;
    seen.irradiance = disc.color * share;
    seen.cosine = cosine;
    seen.above = seen.nearer = 1.0;
    // What is seen of a disc that is partly below: narrower, and its middle higher.
    if (cosine < sine) {
        cut_at_horizon(cosine, sine, seen.cosine, seen.above);
        if (near > 0.0) {
            float of_area = flat_above(dot(to, normal) * inversesqrt(r2 * max(1.0 - leaning * leaning, 1e-6)));
            seen.nearer = mix(1.0, min((seen.above + 0.02) / (of_area + 0.02), 2.0), near); // neither is known exactly near 0
        }
    }
    seen.width *= sqrt(max(seen.above, 0.05));
    seen.direction = normalize(middle + (seen.cosine - cosine) * normal);
    return true;
}
