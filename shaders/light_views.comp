// Chooses from where light is looked for: for every sample a view of each light, some of the sky, and some from all around.

#include "random.glsl"
#include "scene.glsl"
#include "light_cache.glsl"
#include "light_gathering.glsl"
#define VIEWS_ACCESS writeonly
#include "light_maps.glsl"

layout(local_size_x = 64) in;

layout(push_constant, scalar) uniform PushConstants { ViewsPush push; };

void main()
{
    uint v = gl_GlobalInvocationID.x;
    uint lights_and_sky = frame.light_count + push.sky_looks, of_a_sample = lights_and_sky + AROUND_LOOKS;
    uint s = v / of_a_sample, k = v % of_a_sample, index = state.first_sample + s;
    if (s >= state.samples) return;

    LightView view;
    view.light = k;
    view.radiance = vec3(0.0);
    view.perspective = 0u;
    seed_random(min(k, lights_and_sky), 0u, state.seed);
    vec2 start = random_vec2();
    seed_random(k, index, state.seed + 1u);
    vec3 direction; // towards the light
    vec2 extent = vec2(push.radius, push.reach); // half of what the map shows, across and along
    float distance = push.reach;
    if (k < frame.light_count) {
        view.kind = VIEW_LIGHT;
        view.xi = spread(index, start_of(k, start));
        LightSample light = sample_light(load_light(k), push.center, view.xi);
        direction = light.direction;
        if (load_light(k).kind != LIGHT_DIRECTIONAL && light.distance < MAP_FURTHEST * push.reach) {
            view.perspective = 1u;
            distance = light.distance;
            float beyond = distance * distance - push.radius * push.radius;
            extent.x = min(push.radius * inversesqrt(max(beyond, 1e-8)), MAP_WIDEST);
        }
    } else if (k < lights_and_sky) {
        view.kind = VIEW_SKY;
        float pdf;
        direction = sample_environment(spread(index * push.sky_looks + k - frame.light_count, start), random_vec2(), pdf);
        float chosen = float(push.sky_looks) * pdf;
        // By both strategies together, as many as there are of each (Veach & Guibas 1995).
        view.radiance = pdf > 0.0 ? environment_radiance(direction) * power_heuristic(chosen, AROUND_LOOKS / (4.0 * PI)) / chosen : vec3(0.0);
    } else {
        view.kind = VIEW_AROUND;
        uint j = k - lights_and_sky;
        // In pairs of opposites: every place has as many directions over its hemisphere as any other.
        direction = sample_sphere(spread(index * (AROUND_LOOKS / 2u) + j / 2u, start));
        if (j % 2u == 1u) direction = -direction;
        float others = float(push.sky_looks) * environment_pdf(direction);
        view.radiance = environment_radiance(direction) * power_heuristic(AROUND_LOOKS / (4.0 * PI), others);
    }
    view.origin = push.center + distance * direction;
    view.forward = -direction;
    // Not nearer to a lamp than its maps can be precise about: their depth's steps grow as its inverse does.
    view.near = max(distance - extent.y, MAP_NEAREST * distance);
    if (view.perspective == 0u) view.near = 0.0;
    view.far = distance + extent.y;
    // Turned at random, so that what lies between the middles of texels is found another time.
    float turn = 2.0 * PI * random_float();
    mat3 basis = basis_around(view.forward);
    view.right = extent.x * (cos(turn) * basis[0] + sin(turn) * basis[1]);
    view.up = extent.x * (cos(turn) * basis[1] - sin(turn) * basis[0]);
    views[v] = view;
}
