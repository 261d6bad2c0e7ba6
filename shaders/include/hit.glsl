// What a ray brings to the shaders that it meets, and back.
struct Hit {
    float t;            // negative: nothing was hit
    uint part;          // until the ray has ended, what `salt_ray` was given
    uint triangle;
    vec2 barycentric;
};
