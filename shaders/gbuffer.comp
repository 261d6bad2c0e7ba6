// The structured input of every face pixel, of the triangle that was rasterised there. A workgroup is a tile.

#include "gbuffer.glsl"
#include "dealt_rows.glsl"
#include "own_thread.glsl"
#include "face_triangles.glsl"

layout(local_size_x = TILE_PIXELS) in;

layout(set = 0, binding = SLOT_FACE) uniform usampler2D face_triangles;

// Where the ray from the camera meets a triangle (Moeller & Trumbore 1997), and how deep. Rasterised edges are up to 1/256
// pixel off, and for triangles seen edge-on that is far outside: from there it goes back to the edge.
vec2 barycentric_seen(uint part, uint triangle, vec3 ray, out float depth)
{
    uint at = parts[part].first_index + 3u * triangle;
    vec3 a = vertex_position(indices[at]);
    vec3 edge1 = vertex_position(indices[at + 1u]) - a, edge2 = vertex_position(indices[at + 2u]) - a;
    vec3 towards = a - frame.camera_origin, across = cross(ray, edge2);
    float volume = dot(edge1, across);
    vec2 barycentric = vec2(-dot(towards, across), dot(ray, cross(edge1, towards))) / (volume == 0.0 ? 1e-30 : volume);
    barycentric = clamp(barycentric, 0.0, 1.0);
    barycentric /= max(barycentric.x + barycentric.y, 1.0);
    depth = dot(towards + barycentric.x * edge1 + barycentric.y * edge2, frame.camera_forward);
    return barycentric;
}

void main()
{
    uvec2 xy = DEALT_TILE * TILE + own_position(TILE);
    uint tile = tile_of(xy, frame.tiles_x), pixel = pixel_of(xy);
    uvec2 shown = any(greaterThanEqual(xy, frame.size)) ? uvec2(NO_PART) : texelFetch(face_triangles, ivec2(xy), 0).rg;
    if (shown.x == NO_PART) {
        write_no_face(tile, pixel);
        return;
    }
    vec3 ray = camera_ray(vec2(xy) + 0.5 + frame.jitter);
    float depth;
    vec2 barycentric = barycentric_seen(shown.x, shown.y, ray, depth);
    write_face(tile, pixel, ray, depth, load_surface(shown.x, shown.y, barycentric, depth * frame.pixel_angle));
}
