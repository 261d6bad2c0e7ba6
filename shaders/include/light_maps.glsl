// Depth maps of the scene as lights and the sky see it: app/passes/light_maps.py. Include scene.glsl before.

#include "light_views.glsl" // generated

#ifndef VIEWS_ACCESS // writeonly where they are chosen
#define VIEWS_ACCESS readonly
#endif
layout(set = 0, binding = SLOT_VIEWS, scalar) VIEWS_ACCESS buffer Views { LightView views[]; };

// Where a place is to be looked for in a view's map.
struct Spot {
    bool inside;   // the map shows the place, or what hides it
    ivec2 texel;
    float depth;   // of the place's own plane at the middle of that texel, in metres along `forward`
    float bias;    // metres by which what hides it is nearer
};

// Planes let the depth of a slanted surface be known at the middle of a texel, where the map has it: compared with the place's own
// depth, surfaces would hide themselves, or need a bias as large as a nostril.
Spot spot_of(LightView view, vec3 p, vec3 normal)
{
    vec3 from = p - view.origin;
    float depth = dot(from, view.forward);
    float scale = view.perspective != 0u ? depth : 1.0;
    vec2 at = vec2(dot(from, view.right), dot(from, view.up)) / (dot(view.right, view.right) * scale);
    Spot spot;
    spot.inside = depth > view.near && all(lessThan(abs(at), vec2(1.0)));
    vec2 texel = floor((at * 0.5 + 0.5) * float(MAP_SIZE));
    spot.texel = ivec2(texel);
    at = (texel + 0.5) * (2.0 / float(MAP_SIZE)) - 1.0;
    vec3 across = at.x * view.right + at.y * view.up;
    bool perspective = view.perspective != 0u;
    vec3 direction = perspective ? view.forward + across : view.forward;
    float width = 2.0 * length(view.right) * scale / float(MAP_SIZE);
    float slope = dot(normal, direction);
    float own = dot(normal, p - (perspective ? view.origin : view.origin + across)) / slope - depth;
    bool grazing = slope >= 0.0 || abs(own) > MAP_SLOPE * width;
    spot.depth = grazing ? depth : depth + own;
    spot.bias = (grazing ? MAP_BIAS_GRAZING : MAP_BIAS) * width;
    return spot;
}

// What a depth map holds, in metres along `forward`; -1 where there is nothing.
float map_depth(LightView view, float z)
{
    if (z >= 1.0) return -1.0;
    if (view.perspective == 0u) return mix(view.near, view.far, z);
    return view.near * view.far / (view.far - z * (view.far - view.near));
}

vec4 map_position(LightView view, vec3 p)
{
    vec3 from = p - view.origin;
    float depth = dot(from, view.forward);
    vec2 at = vec2(dot(from, view.right), dot(from, view.up)) / dot(view.right, view.right);
    float z = (depth - view.near) / (view.far - view.near);
    return view.perspective != 0u ? vec4(at, view.far * z, depth) : vec4(at, z, 1.0);
}
