// What a point sums up of the light that arrives there, and what becomes of the sums: shared by light_cache.rgen, which asks
// rays what hides the light, and light_cache.comp, which asks depth maps. Include scene.glsl and light_cache.glsl before.

layout(set = 0, binding = SLOT_POINTS, scalar) readonly buffer Points { CachePoint points[]; };
layout(set = 0, binding = SLOT_GATHERED, scalar) buffer Gathered { GatheredLight gathered[]; };
layout(set = 0, binding = SLOT_VISIBILITY, scalar) buffer Visibility { uint visibility[]; };
layout(set = 0, binding = SLOT_FINE, scalar) buffer Fine { FineLight fine[]; };
layout(set = 0, binding = SLOT_STATE, scalar) readonly buffer State { CacheState state; };
layout(set = 0, binding = SLOT_CACHE) uniform sampler2D cache[CACHE_IMAGES];

vec3 narrow_light(vec2 light_uv)
{
    return state.unit * (textureLod(cache[CACHE_NARROW], light_uv, 0.0).rgb + textureLod(cache[CACHE_LIGHTS], light_uv, 0.0).rgb);
}

// What skin sends out again, as point i sees it: vertices, as between lids and teeth, also what has come through.
vec3 light_on_skin(uint i, vec2 light_uv)
{
    vec3 light = narrow_light(light_uv);
    return i < TEXELS ? light : light + state.unit * textureLod(cache[CACHE_TRANSMISSION], light_uv, 0.0).rgb;
}

// Additive recurrence of Roberts 2018 ("R2"): evenly spread over any run of indices; a random start decorrelates points.
vec2 spread(float index, vec2 start)
{
    return fract(start + index * R2);
}

// Where the k-th of several sequences starts: they are evenly spread, too (golden ratio).
vec2 start_of(uint k, vec2 start)
{
    return fract(start + float(k) * 0.618034);
}

// `spread` of another sequence ("R4", the first two numbers), around 0: where in a texel a ray starts, which must not go with
// where it leads to.
vec2 shift(uint index, vec2 start)
{
    return fract(start + float(index) * vec2(0.8566748838545029, 0.7338918566271260)) - 0.5;
}

// From the middle of point i's texel to a place within it, `away` by -0.5..0.5 texels: along its tangent, or along the
// skin where that rises above it, so that rays in folds do not start below.
vec3 within_texel(uint i, CachePoint point, vec2 away)
{
    uint size = i < TEXELS ? uint(CACHE_SIZE) : uint(FINE_SIZE), first = i < TEXELS ? 0u : state.point_count;
    uvec2 here = uvec2((i - first) % size, (i - first) / size);
    vec3 moved = vec3(0.0);
    for (uint axis = 0u; axis < 2u; ++axis) {
        uvec2 there = here;
        there[axis] += away[axis] < 0.0 ? -1u : 1u;
        if (there[axis] >= size) continue;
        uint other = first + there.y * size + there.x;
        vec3 step = points[other].position - point.position;
        if (points[other].traced == 0u || dot(step, step) > 16.0 * point.area) continue; // it lies beyond a seam
        step -= min(dot(step, point.normal), 0.0) * point.normal;
        moved += abs(away[axis]) * step;
    }
    return moved;
}

// How many places of `visibility` a point's looks are written to, and the n-th of a light: a vertex has one, a fine texel its
// shadow texels, a texel those of the fine ones within it.
uint look_count(uint i) { return i < TEXELS ? FINE_SCALE * FINE_SCALE * SHADOWS : i < state.point_count ? 1u : SHADOWS; }
uint look_place(uint light, uint i, uint n)
{
    uint place = vertex_place(i);
    if (i < TEXELS) place = shadow_within(fine_within(i, n / SHADOWS), n % SHADOWS);
    else if (i >= state.point_count) place = shadow_within(i - state.point_count, n);
    return look_index(light, place, state.point_count);
}

// Whether all of a light is behind a sheet: then the share is of interest that is seen from there.
bool lit_from_behind(CachePoint point, Light light)
{
    vec3 to = light.kind == LIGHT_DIRECTIONAL ? -light.direction : normalize(light.position - point.position);
    return point.two_sided != 0u && dot(to, point.normal) < -light_sine(light, point.position);
}

GatheredLight no_light()
{
    vec3 none = vec3(0.0);
    return GatheredLight(none, none, 0.0, none, 0.0, none, none, none, none, none, none, none, none, 0.0, 0.0, 0.0, 0.0, 0.0);
}

// What is left of the sums when lights have moved. What surfaces reflect and let through is as it was, for the frame until
// it is gathered anew: it changes less than it would if it vanished.
GatheredLight without_lights(GatheredLight sum)
{
    sum.lights = sum.moment = vec3(0.0);
    return sum;
}

// It is gathered anew: by the update after the first.
GatheredLight without_surfaces(GatheredLight sum)
{
    sum.reflected = sum.reflected_moment = sum.transmission = vec3(0.0);
    sum.lit_looks = sum.lit_looks_inward = 0.0;
    return sum;
}

// Whether looks know of the light on the skin that they find: the first update is for that.
bool knows_surfaces() { return state.first_sample > 0u; }

// The sums of a fine texel, as far as it has them.
GatheredLight fine_sums(uint place)
{
    FineLight before = fine[place];
    GatheredLight sum = no_light();
    sum.lights = before.lights;
    sum.seen = before.seen;
    sum.whole = before.whole;
    return sum;
}

// Skin takes in less of what arrives at grazing angles. Its roughness may be a map: a middling value will do.
Lobe boundary_of(CachePoint point)
{
    Lobe boundary;
    boundary.f0 = vec3(load_material(point.material).f0);
    boundary.f90 = grazing_reflectance(boundary.f0.x);
    boundary.alpha = 0.25;
    boundary.base = vec3(1.0);
    boundary.metallic = 0.0;
    return boundary;
}

void add_light(inout GatheredLight sum, vec3 direction, vec3 radiance, float cosine, float entering)
{
    sum.lights += radiance * (cosine * entering);
    sum.moment += luminance(radiance) * direction;
}

// A direction drawn by the brightness of the environment; `weighted`: its radiance by its pdf.
void add_sky(inout GatheredLight sum, vec3 direction, vec3 weighted, float cosine, float entering, bool hidden)
{
    sum.whole += weighted * cosine;
    if (hidden) return;
    sum.seen += weighted * (cosine * entering);
    sum.sky_moment += luminance(weighted) * direction;
}

// What a surface reflects this way, or some of it; for `weight` see add_around.
void add_reflected(inout GatheredLight sum, vec3 direction, float weight, vec3 reflected, float cosine, float entering)
{
    sum.reflected += reflected * (PI * entering * weight);
    sum.reflected_moment += (luminance(reflected) * PI * weight / max(cosine, 1e-3)) * direction;
}

// A direction over the hemisphere. `weight`: what it counts for, 1 where directions are drawn by their cosine; `sky`: what
// the environment sends from there, `reflected`: what the surface there does, if one hides the environment.
void add_around(
    inout GatheredLight sum, vec3 direction, float weight, vec3 sky, vec3 reflected, float cosine, float entering, bool hidden)
{
    sum.whole += sky * (PI * weight);
    sum.looks += weight;
    if (knows_surfaces()) sum.lit_looks += weight;
    sum.looked += weight * direction;
    if (hidden) {
        add_reflected(sum, direction, weight, reflected, cosine, entering);
        return;
    }
    sum.ambient_visibility += weight;
    sum.open += weight * direction;
    sum.seen += sky * (PI * entering * weight);
    sum.sky_moment += (luminance(sky) * PI * weight / max(cosine, 1e-3)) * direction;
}

// A look inwards that comes out again after `thickness`, where `arriving` light falls on the skin, or comes out nowhere.
void add_through(inout GatheredLight sum, vec3 mean_free_path, float thickness, vec3 arriving)
{
    sum.looks_inward += 1.0;
    if (knows_surfaces()) sum.lit_looks_inward += 1.0;
    sum.thickness += thickness;
    // What is left of light that scatters on its way through, and of what comes in from the sides.
    vec3 attenuation = exp(-thickness / max(TRANSMISSION_REACH * mean_free_path, vec3(1e-5)));
    sum.transmission += attenuation * arriving;
}

// What all of the environment would bring is known: the samples only say which share of it is seen. Where nothing hides it,
// there is no noise at all.
vec3 share_seen(GatheredLight sum, vec3 whole)
{
    return whole * min(sum.seen / max(sum.whole, 1e-4 * whole + 1e-20), vec3(1.5));
}
