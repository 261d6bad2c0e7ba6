// What every pixel shows of small triangles: a thread scans one, row by row, and leaves it where it is nearer than what is there.
// Large ones, and those that reach in front of the near plane, are listed for the rasteriser. A pixel that both kinds could take
// at a common edge goes to one of them, as corners are rounded alike.

#include "random.glsl"
#include "scene.glsl"
#include "cut_out.glsl"
#include "even_chance.glsl"
#include "visible.glsl"
#include "own_thread.glsl"
#include "scanned_triangles.glsl" // generated

layout(local_size_x = BLOCK_TRIANGLES) in;

layout(push_constant, scalar) uniform Push { ScannedTrianglesPush push; };
layout(set = 0, binding = SLOT_BLOCKS, scalar) readonly buffer Blocks { TriangleBlock blocks[]; };
layout(set = 0, binding = SLOT_LARGE, scalar) buffer Large { DrawIndirect draw; uint large[]; };
layout(set = 0, binding = SLOT_PIXELS, scalar) buffer Pixels { uint64_t pixels[]; };
layout(set = 0, binding = SLOT_PIXELS, scalar) readonly buffer PixelWords { uint words[]; };

// The nearest integer of |x| < 2^22. CPU drivers convert lane by lane; this is an addition (see truncated.glsl).
int rounded(float x) { return floatBitsToInt(x + 12582912.0) - 0x4B400000; }
ivec2 rounded(vec2 x) { return floatBitsToInt(x + 12582912.0) - 0x4B400000; }

// From a row's pixels `first` to `last`, takes those outside an edge. `edge`: its function at pixel 0; `right`: what a pixel to the
// right adds; inside it is not negative. The quotient is right to a thousandth of a pixel, so one test makes it exact.
void clip_row(int edge, int right, float inverse, inout int first, inout int last)
{
    float crossing = -float(edge) * inverse;
    int x = rounded(right > 0 ? ceil(crossing - 0.001) : floor(crossing + 0.001));
    bool outside = edge + right * x < 0;
    if (right > 0) first = max(first, outside ? x + 1 : x);
    else if (right < 0) last = min(last, outside ? x - 1 : x);
    else if (edge < 0) last = -1;
}

// The function of an edge at a place seen from its start. A centre on an edge belongs to the triangle if that is a left or a top
// one; of the others, nothing less than 1 is inside.
int edge_at(ivec2 edge, ivec2 place)
{
    bool owns = edge.y < 0 || (edge.y == 0 && edge.x > 0);
    return edge.x * place.y - edge.y * place.x - (owns ? 0 : 1);
}

void main()
{
    TriangleBlock block = blocks[push.first + gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x];
    if (OWN_THREAD >= block.count) return;
    uint triangle = block.first + OWN_THREAD, corner = parts[block.part].first_index + 3u * triangle;
    uint a = indices[corner], b = indices[corner + 1u], c = indices[corner + 2u];
    vec4 clip_a = frame.view_projection * vec4(vertex_position(a), 1.0);
    vec4 clip_b = frame.view_projection * vec4(vertex_position(b), 1.0);
    vec4 clip_c = frame.view_projection * vec4(vertex_position(c), 1.0);
    if (max(clip_a.z, max(clip_b.z, clip_c.z)) < 0.0) return;
    bool clipped = min(clip_a.z, min(clip_b.z, clip_c.z)) < 0.0;

    // In pixels, whose centres are whole numbers.
    vec3 per_w = 1.0 / vec3(clip_a.w, clip_b.w, clip_c.w);
    vec2 half_size = 0.5 * vec2(frame.size);
    vec2 at_a = clip_a.xy * per_w.x * half_size + half_size - 0.5;
    vec2 at_b = clip_b.xy * per_w.y * half_size + half_size - 0.5;
    vec2 at_c = clip_c.xy * per_w.z * half_size + half_size - 0.5;
    vec2 low = min(at_a, min(at_b, at_c)), high = max(at_a, max(at_b, at_c));
    if (!clipped && (any(lessThan(high, vec2(0.0))) || any(greaterThan(low, vec2(frame.size))))) return;
    if (clipped || any(greaterThan(high - low, vec2(LARGEST)))) {
        bool from_behind = determinant(mat3(clip_a.xyw, clip_b.xyw, clip_c.xyw)) >= 0.0;
        if (block.one_sided == 0u || !from_behind) large[atomicAdd(draw.vertices, 3u) / 3u] = corner / 3u;
        return;
    }
    ivec2 fixed_a = rounded(at_a * STEPS), fixed_b = rounded(at_b * STEPS), fixed_c = rounded(at_c * STEPS);
    ivec2 first = max((min(fixed_a, min(fixed_b, fixed_c)) + (STEPS - 1)) >> STEP_BITS, ivec2(0));
    ivec2 last = min(max(fixed_a, max(fixed_b, fixed_c)) >> STEP_BITS, ivec2(frame.size) - 1);
    if (any(greaterThan(first, last))) return;
    ivec2 ab = fixed_b - fixed_a, bc = fixed_c - fixed_b, ca = fixed_a - fixed_c;
    int area = ab.y * ca.x - ab.x * ca.y; // twice; positive: seen from behind, as rows go down
    if (area == 0 || (area > 0 && block.one_sided != 0u)) return;
    if (area < 0) {
        ab = -ab;
        bc = -bc;
        ca = -ca;
    }
    // Of every edge's function, which is not negative inside: what it is at the first pixel, and what a pixel to the right and a row add.
    ivec2 p = first << STEP_BITS;
    ivec3 edge = ivec3(edge_at(ab, p - fixed_a), edge_at(bc, p - fixed_b), edge_at(ca, p - fixed_c));
    ivec3 right = ivec3(ab.y, bc.y, ca.y) * -STEPS, down = ivec3(ab.x, bc.x, ca.x) * STEPS;
    vec3 inverse = 1.0 / vec3(right);

    vec2 to_b = at_b - at_a, to_c = at_c - at_a;
    float per_area = 1.0 / (to_b.x * to_c.y - to_b.y * to_c.x);
    vec3 z = vec3(clip_a.z, clip_b.z, clip_c.z) * per_w;
    vec2 slope = vec2((z.y - z.x) * to_c.y - (z.z - z.x) * to_b.y, (z.z - z.x) * to_b.x - (z.y - z.x) * to_c.x) * per_area;
    float start = z.x + dot(vec2(first) - at_a, slope);
    uint64_t key = uint64_t(~(corner / 3u));
#if CUT_PARTS
    Material m = load_material(parts[block.part].material);
    vec2 uv_a = load_vertex(a).uv, uv_b = load_vertex(b).uv, uv_c = load_vertex(c).uv;
    vec2 uv_right = ((uv_b - uv_a) * to_c.y - (uv_c - uv_a) * to_b.y) * per_area;
    vec2 uv_down = ((uv_c - uv_a) * to_b.x - (uv_b - uv_a) * to_c.x) * per_area;
    float lod = log2(max(max(length(uv_right), length(uv_down)) * m.texture_size, 1e-6));
#endif

    // A turn of the loop goes to the next row or takes a pixel, so that threads of different rows and widths wait less for each other.
    int rows = last.y - first.y, y = -1, x = 1, end = 0;
    edge -= down;
    while (true) {
        if (x > end) {
            if (y == rows) return;
            y += 1;
            edge += down;
            x = 0;
            end = last.x - first.x;
            clip_row(edge.x, right.x, inverse.x, x, end);
            clip_row(edge.y, right.y, inverse.y, x, end);
            clip_row(edge.z, right.z, inverse.z, x, end);
        }
        if (x <= end) {
            uvec2 xy = uvec2(first + ivec2(x, y));
            float depth = start + dot(vec2(x, y), slope);
            uint at = surface_index(xy, frame.tiles_x);
            // What is read here may be older than what others have left meanwhile, never nearer.
            bool shows = depth >= 0.0 && depth <= uintBitsToFloat(words[2u * at + 1u]);
#if CUT_PARTS
            if (shows && m.cut != 0.0) {
                vec2 from_a = vec2(xy) - at_a;
                vec2 bary = vec2(from_a.x * to_c.y - from_a.y * to_c.x, to_b.x * from_a.y - to_b.y * from_a.x) * per_area;
                vec3 weights = vec3(1.0 - bary.x - bary.y, bary) * per_w;
                vec2 uv = (weights.x * uv_a + weights.y * uv_b + weights.z * uv_c) / (weights.x + weights.y + weights.z);
                float alpha = 1.0;
                if (m.albedo_map >= 0) alpha = textureLod(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y), lod).a;
                shows = is_there(m, alpha, even_chance(xy, block.part, triangle));
            }
#endif
            if (shows) atomicMin(pixels[at], (uint64_t(floatBitsToUint(depth)) << 32) | key);
            x += 1;
        }
    }
}
