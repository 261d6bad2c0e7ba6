// Directions and frames. All pdfs are with respect to solid angle.

const float PI = 3.14159265358979;

// Orthonormal basis around n (Duff et al. 2017, "Building an Orthonormal Basis, Revisited").
mat3 basis_around(vec3 n)
{
    float s = n.z >= 0.0 ? 1.0 : -1.0;
    float a = -1.0 / (s + n.z);
    float b = n.x * n.y * a;
    return mat3(vec3(1.0 + s * n.x * n.x * a, s * b, -s * n.x), vec3(b, s + n.y * n.y * a, -n.y), n);
}

vec3 sample_cosine_hemisphere(vec2 xi) // around +z, pdf = z / pi
{
    float r = sqrt(xi.x);
    float phi = 2.0 * PI * xi.y;
    return vec3(r * cos(phi), r * sin(phi), sqrt(max(0.0, 1.0 - xi.x)));
}

vec3 sample_sphere(vec2 xi) // pdf = 1 / (4 pi)
{
    float z = 1.0 - 2.0 * xi.x;
    float r = sqrt(max(0.0, 1.0 - z * z));
    float phi = 2.0 * PI * xi.y;
    return vec3(r * cos(phi), r * sin(phi), z);
}

// 1 - cos(theta) of the cone that a sphere with sin(theta)^2 = s fills; stable for tiny spheres.
float one_minus_cos(float sin_squared)
{
    return sin_squared / (1.0 + sqrt(max(0.0, 1.0 - sin_squared)));
}

vec3 sample_cone(vec2 xi, float one_minus_cos_max) // around +z, pdf = 1 / (2 pi one_minus_cos_max)
{
    float z = 1.0 - xi.x * one_minus_cos_max;
    float r = sqrt(max(0.0, 1.0 - z * z));
    float phi = 2.0 * PI * xi.y;
    return vec3(r * cos(phi), r * sin(phi), z);
}

float luminance(vec3 c)
{
    return dot(c, LUMINANCE);
}

float largest(vec3 v)
{
    return max(v.x, max(v.y, v.z));
}

float mean(vec3 v)
{
    return (v.x + v.y + v.z) * (1.0 / 3.0);
}

float power_heuristic(float a, float b)
{
    float a2 = a * a;
    return a2 / max(a2 + b * b, 1e-30);
}
