// The structured input of every face pixel, of the triangle that was rasterised there. A workgroup is a tile.

#include "gbuffer.glsl"
#include "dealt_rows.glsl"
#include "own_thread.glsl"
#include "visible.glsl"

layout(local_size_x = TILE_PIXELS) in;

VISIBLE(SLOT_TRIANGLES, triangles);

void main()
{
    uvec2 xy = DEALT_TILE * TILE + own_position(TILE);
    uint tile = tile_of(xy, frame.tiles_x), pixel = pixel_of(xy);
    uvec2 shown = any(greaterThanEqual(xy, frame.size)) ? uvec2(NO_PART) : visible_triangle(triangles, xy);
    if (shown.x == NO_PART || parts[shown.x].face == 0u) {
        write_no_face(tile, pixel);
        return;
    }
    vec3 ray = camera_ray(vec2(xy) + 0.5 + frame.jitter);
    float depth;
    vec2 barycentric = barycentric_seen(shown.x, shown.y, ray, depth);
    write_face(tile, pixel, ray, depth, load_surface(shown.x, shown.y, barycentric, depth * frame.pixel_angle));
}
