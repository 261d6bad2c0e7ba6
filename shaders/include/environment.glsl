// The environment: a latitude-longitude map turned about +y. Row 0 is up.
// Sampling: one alias-table draw a direction (Walker 1977, built by Vose's method), texels weighted by luminance and solid angle.

#include "truncated.glsl"

vec3 world_to_environment(vec3 d)
{
    float c = environment.turn.x, s = environment.turn.y;
    return vec3(c * d.x - s * d.z, d.y, s * d.x + c * d.z);
}

vec3 environment_to_world(vec3 d)
{
    float c = environment.turn.x, s = environment.turn.y;
    return vec3(c * d.x + s * d.z, d.y, c * d.z - s * d.x);
}

vec2 environment_uv(vec3 d) // d in the environment's frame
{
    return vec2(atan(d.x, -d.z) / (2.0 * PI) + 0.5, acos(clamp(d.y, -1.0, 1.0)) / PI);
}

vec3 environment_radiance(vec3 direction)
{
    if (environment.present == 0u) return vec3(0.0);
    return textureLod(environment_levels[0], environment_uv(world_to_environment(direction)), 0.0).rgb * environment.intensity;
}

// The map seen through a GGX lobe of this roughness (prefiltered, levels spaced evenly in roughness).
vec3 environment_blurred(vec3 direction, float roughness)
{
    if (environment.present == 0u) return vec3(0.0);
    vec2 uv = environment_uv(world_to_environment(direction));
    float level = clamp(roughness, 0.0, 1.0) * float(ENVIRONMENT_LEVELS - 1);
    int lower = min(truncated(level), ENVIRONMENT_LEVELS - 2);
    vec3 a = textureLod(environment_levels[nonuniformEXT(lower)], uv, 0.0).rgb;
    vec3 b = textureLod(environment_levels[nonuniformEXT(lower + 1)], uv, 0.0).rgb;
    return mix(a, b, level - float(lower)) * environment.intensity;
}

// What the camera sees where nothing stands: the map, softly out of focus.
vec3 backdrop(vec3 direction)
{
    if (environment.present == 0u) return vec3(0.0);
    vec2 uv = environment_uv(world_to_environment(direction));
    return textureLod(environment_levels[ENVIRONMENT_LEVELS], uv, 0.0).rgb * environment.intensity;
}

// Irradiance of the whole, unshadowed map at a normal: roughness 1 is filtered by the cosine (app/scene/prefilter.py).
vec3 environment_irradiance(vec3 n)
{
    if (environment.present == 0u) return vec3(0.0);
    vec2 uv = environment_uv(world_to_environment(n));
    return PI * textureLod(environment_levels[ENVIRONMENT_LEVELS - 1], uv, 0.0).rgb * environment.intensity;
}

float environment_pdf(vec3 direction)
{
    if (environment.present == 0u) return 0.0;
    vec2 uv = environment_uv(world_to_environment(direction));
    uint x = min(uint(uv.x * float(environment.width)), environment.width - 1u);
    uint y = min(uint(uv.y * float(environment.height)), environment.height - 1u);
    float sine = sin((uv.y) * PI);
    return sine > 0.0 ? environment_alias[y * environment.width + x].density / sine : 0.0;
}

vec3 sample_environment(vec2 xi, vec2 inside, out float pdf)
{
    uint count = environment.width * environment.height;
    float scaled = xi.x * float(count);
    uint i = min(uint(scaled), count - 1u);
    EnvironmentTexel texel = environment_alias[i];
    if (xi.y >= texel.keep) i = texel.alias;
    vec2 uv = (vec2(i % environment.width, i / environment.width) + inside) / vec2(environment.width, environment.height);
    float theta = uv.y * PI;
    float phi = (uv.x - 0.5) * 2.0 * PI;
    float sine = sin(theta);
    pdf = sine > 0.0 ? environment_alias[i].density / sine : 0.0;
    return environment_to_world(vec3(sine * sin(phi), cos(theta), -sine * cos(phi)));
}
