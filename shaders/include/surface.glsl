// A point on a mesh: geometry and material, from a triangle and barycentric coordinates.

struct Surface {
    vec3 position;
    vec3 lifted;            // position moved off the facets, so that shadow rays see the smooth surface (Hanika 2021)
    vec3 geometric_normal;  // unit, on the outside
    vec3 smooth_normal;     // interpolated vertex normal, on the outside
    vec3 normal;            // smooth normal bent by the normal map, on the outside
    vec2 uv;
    vec2 light_uv;          // where it lies in the light cache
    vec3 albedo;
    float roughness;
    float second_roughness;
    float second_weight;    // share of the second lobe
    float metallic;
    float f0;
    float ior;
    float subsurface;
    float transmission;
    vec3 mean_free_path;    // metres
    vec3 emission;
    uint part;
    uint dielectric;        // where its boundary's table starts in the dielectrics
};

// `footprint`: width in metres of what one sample stands for at this point; textures are read at that resolution.
Surface load_surface(uint part_index, uint triangle, vec2 barycentric, float footprint)
{
    Part part = parts[part_index];
    uint at = part.first_index + 3u * triangle;
    Vertex a = load_vertex(indices[at]), b = load_vertex(indices[at + 1u]), c = load_vertex(indices[at + 2u]);
    vec3 w = vec3(1.0 - barycentric.x - barycentric.y, barycentric);

    Surface s;
    s.part = part_index;
    s.position = w.x * a.position + w.y * b.position + w.z * c.position;
    vec3 edge1 = b.position - a.position, edge2 = c.position - a.position;
    s.geometric_normal = normalize(cross(edge1, edge2));
    s.smooth_normal = normalize(w.x * a.normal + w.y * b.normal + w.z * c.normal);
    if (dot(s.smooth_normal, s.geometric_normal) < 0.0) s.geometric_normal = -s.geometric_normal;
    vec3 lift = w.x * min(0.0, dot(s.position - a.position, a.normal)) * a.normal
              + w.y * min(0.0, dot(s.position - b.position, b.normal)) * b.normal
              + w.z * min(0.0, dot(s.position - c.position, c.normal)) * c.normal;
    s.lifted = s.position - lift;
    s.uv = w.x * a.uv + w.y * b.uv + w.z * c.uv;
    s.light_uv = light_uv_at(at, barycentric);

    Material m = load_material(part.material);
    s.albedo = m.albedo;
    s.roughness = m.roughness;
    s.metallic = m.metallic;
    s.second_roughness = m.second_roughness;
    s.second_weight = m.second_weight;
    s.f0 = m.f0;
    s.ior = m.ior;
    s.subsurface = m.subsurface;
    s.transmission = m.transmission;
    s.mean_free_path = m.mean_free_path;
    s.emission = m.emission;
    s.dielectric = m.dielectric;
    s.normal = s.smooth_normal;
    vec2 st = vec2(s.uv.x, 1.0 - s.uv.y); // images start at the top
    vec2 d1 = b.uv - a.uv, d2 = c.uv - a.uv;
    float det = d1.x * d2.y - d1.y * d2.x;
    float uv_per_metre = sqrt(abs(det) / max(length(cross(edge1, edge2)), 1e-20));
    float lod = log2(max(footprint * uv_per_metre * m.texture_size, 1e-6));
    if (m.albedo_map >= 0) s.albedo *= textureLod(textures[nonuniformEXT(m.albedo_map)], st, lod).rgb;
    vec4 bump = vec4(0.5, 0.5, 1.0, 1.0);
    if (m.normal_map >= 0) bump = textureLod(textures[nonuniformEXT(m.normal_map)], st, lod + m.normal_lod);
    if (m.roughness_map >= 0) {
        float factor = m.roughness_map == m.normal_map ? bump.a : textureLod(textures[nonuniformEXT(m.roughness_map)], st, lod + m.roughness_lod).r;
        s.roughness *= factor;
        s.second_roughness *= factor;
    }
    if (m.normal_map >= 0) {
        vec3 t = bump.xyz * 2.0 - 1.0;
        if (abs(det) > 1e-12) {
            vec3 tangent = (edge1 * d2.y - edge2 * d1.y) / det;
            tangent = normalize(tangent - s.smooth_normal * dot(tangent, s.smooth_normal));
            vec3 bitangent = cross(s.smooth_normal, tangent) * sign(det);
            s.normal = normalize((t.x * tangent + t.y * bitangent) * m.normal_scale + t.z * s.smooth_normal);
        }
    }
    s.roughness = clamp(s.roughness, MIN_ROUGHNESS, 1.0);
    s.second_roughness = clamp(s.second_roughness, MIN_ROUGHNESS, 1.0);
    return s;
}

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

// Turns all normals to the side that `view` (towards the viewer) is on, and keeps the bent normal visible from there.
void face_viewer(inout Surface s, vec3 view)
{
    if (dot(s.geometric_normal, view) < 0.0) {
        s.geometric_normal = -s.geometric_normal;
        s.smooth_normal = -s.smooth_normal;
        s.normal = -s.normal;
        s.lifted = s.position; // lifting is for the outside
    }
    float d = dot(s.normal, view);
    if (d < 0.02) s.normal = normalize(s.normal + (0.02 - d) * view);
}

Lobe surface_lobe(Surface s)
{
    Lobe lobe;
    lobe.f0 = mix(vec3(s.f0), s.albedo, s.metallic);
    lobe.f90 = grazing_reflectance(largest(lobe.f0));
    lobe.alpha = s.roughness * s.roughness;
    lobe.base = s.albedo * (1.0 - s.metallic);
    lobe.metallic = s.metallic;
    return lobe;
}
