// What opacity leaves of parts that are cut out.

// `alpha` of the albedo map, 1 without one. Of what is blended a share is there, by a chance in 0..1: the mean is right.
bool is_there(Material m, float alpha, float chance) { return m.cut < 0.0 ? chance < -m.cut * alpha : alpha >= m.cut; }

#if CUT_PARTS
// The same of a place of a triangle that a ray meets. The chance is another one for every direction, and for every `salt`.
bool is_met(uint part, uint triangle, vec2 barycentric, vec3 direction, uint salt)
{
    Material m = load_material(parts[part].material);
    float alpha = 1.0;
    if (m.albedo_map >= 0) {
        uint at = parts[part].first_index + 3u * triangle;
        vec2 uv = (1.0 - barycentric.x - barycentric.y) * load_vertex(indices[at]).uv
                + barycentric.x * load_vertex(indices[at + 1u]).uv + barycentric.y * load_vertex(indices[at + 2u]).uv;
        alpha = textureLod(textures[nonuniformEXT(m.albedo_map)], vec2(uv.x, 1.0 - uv.y), 0.0).a;
    }
    uvec3 bits = floatBitsToUint(direction);
    uint chance = pcg_hash(bits.x ^ pcg_hash(bits.y ^ pcg_hash(bits.z ^ pcg_hash(triangle ^ pcg_hash(part ^ salt)))));
    return is_there(m, alpha, unit_float(chance));
}
#endif
