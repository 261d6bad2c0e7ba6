// Random numbers: a counter hashed once a draw, so that a path is decided by (pixel, sample) alone.
// The hash is PCG as recommended by Jarzynski & Olano 2020, "Hash Functions for GPU Rendering" (JCGT 9.3).

uint random_state;

uint pcg_hash(uint x)
{
    uint state = x * 747796405u + 2891336453u;
    uint word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

void seed_random(uint stream, uint index, uint seed)
{
    random_state = pcg_hash(stream ^ pcg_hash(index ^ pcg_hash(seed)));
}

float unit_float(uint bits) // in [0, 1), by the upper 24 of them
{
    return float(bits >> 8) * (1.0 / 16777216.0);
}

float random_float() // in [0, 1)
{
    random_state = random_state * 747796405u + 2891336453u;
    uint word = ((random_state >> ((random_state >> 28u) + 4u)) ^ random_state) * 277803737u;
    word = (word >> 22u) ^ word;
    return unit_float(word);
}

vec2 random_vec2()
{
    float x = random_float();
    return vec2(x, random_float());
}
