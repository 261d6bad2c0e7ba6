"""How the light cache lies in GPU memory, and the constants that its shaders share: the one description of them.

Shaders get all of it as the generated file light_cache.glsl (`light_cache_declarations`).
"""

from app.gpu import Struct
from app.network.schema import SIGMA_NARROW, SIGMA_WIDE
from app.passes.light_points import BORDER_DEVIATIONS, CACHE_POINT

TRANSMISSION_REACH = 3.0  # mean free paths; with it, what ears let through of all colours is brighter by about the same
# Rays inwards keep within a cone around the inward normal; this is 1 less the cosine of half its angle. It is wide:
# through noses and lips light comes from the sides as well.
INWARD_CONE = 0.75
THICKNESS_MAX = 0.1  # metres; beyond this no light comes through
THICKNESS_MIN = 0.0015  # metres; no part of a face is thinner
# Texels along the UV square where nothing else is asked for: what the shipped networks learnt from.
DEFAULT_CACHE_SIZE = 256
BLUR_TAPS = 16  # texels a side, at most; where there are more along the square, as far on the skin
BLUR_REACH = 3.3  # deviations; less than 0.1% of a Gaussian lies beyond
# Lights and the environment are looked for at texels so many times as fine: shadows have sharp edges, and skin blurs
# them by less than a texel in blue and green. Only from the second update on: light that moves needs to be quick.
FINE_SCALE = 2
# Lights are looked for from as many places along a fine texel's edge: what hides them can be as thin as a hair.
SHADOW_SCALE = 2
COARSE_SHARE = 0.5  # how much samples of the texel around count for the share of the environment seen at a fine one
COARSE_IMAGES = ("NARROW", "WIDE", "MOMENT", "TRANSMISSION", "OPENING")
CACHE_IMAGES = (*COARSE_IMAGES, "LIGHTS")  # the last of fine texels
# Rays of a fine texel and of each around it that agree about a light, before it is looked for no more.
SETTLING_SAMPLES = 4
# Vertices of hair are many and near to each other: after the first update so many samples each will do.
HAIR_SAMPLES = 7
# In the first update after lights have moved one of so many vertices of hair looks for them, and the others know what
# they knew: rays at hair are slow, and of a moving picture nobody sees its shadows exactly.
HAIR_TURNS = 4
# Updates after the first can be gathered in so many parts, so that a slow device draws pictures in between: one part
# of them a frame, or several.
PARTS = 16

MOST_GROUPS = 65535  # along an axis of a dispatch: what Vulkan promises

GATHERED_LIGHT = Struct(
    "GatheredLight",  # sums over samples, but for `environment`
    [
        ("lights", "vec3"),  # irradiance from the lights; weighed by how well it enters the skin, on average 1
        ("reflected", "vec3"),  # irradiance from other surfaces, weighed likewise
        ("ambient_visibility", "float"),
        ("seen", "vec3"),  # irradiance from what is seen of the environment, weighed likewise
        ("thickness", "float"),  # metres
        ("whole", "vec3"),  # irradiance from all of the environment, as if nothing hid it
        ("moment", "vec3"),  # first moment of the arriving luminance of lights
        ("sky_moment", "vec3"),  # the same of the environment
        ("reflected_moment", "vec3"),  # and of what surfaces reflect
        ("transmission", "vec3"),
        ("environment", "vec3"),  # irradiance from the environment: seen / whole of what would arrive without obstacles
        ("looked", "vec3"),  # all directions over the hemisphere that were tried, each as long as 1
        ("open", "vec3"),  # those of them in which nothing is in the way
        ("looks", "float"),  # how many directions over the hemisphere were tried, by weight
        ("looks_inward", "float"),  # the same of those inwards that came to something
        # Of these, all after the first update, which knows nothing of the light on skin that they find.
        ("lit_looks", "float"),
        ("lit_looks_inward", "float"),
        ("samples", "float"),  # that the sums of lights stand for
    ],
)
FINE_LIGHT = Struct(
    "FineLight",  # sums over samples; without what other surfaces reflect
    [
        ("lights", "vec3"),  # as in GATHERED_LIGHT
        ("seen", "vec3"),
        ("whole", "vec3"),
        ("sky", "vec3"),  # irradiance from all of the environment; no sum
    ],
)
# Shares of so many lights that are seen lie together, in bytes: of shadow texels as the G-buffer reads them, and of
# vertices, which know no more: there the last is the mean of all further lights.
LIGHT_SHARES = 8
VERTEX_LIGHT = Struct(
    "VertexLight",  # means at a vertex of what is not face
    [
        ("irradiance", "vec3"),  # from surroundings: the environment, and what other surfaces reflect
        ("ambient_visibility", "float"),
        ("shares", "uvec2"),  # of the LIGHT_SHARES lights, in bytes: of what is above the horizon of either side
    ],
)
SETTLED_LIGHTS = Struct(
    "SettledLights",  # bits of lights about which all rays from around a fine texel agree
    [
        ("seen", "uint"),
        ("hidden", "uint"),
    ],
)
CACHE_STATE = Struct(
    "CacheState",
    [
        ("point_count", "uint"),
        ("light_count", "uint"),
        ("first_sample", "uint"),
        ("first_fine", "uint"),  # the same of fine texels: the first update leaves them to the texels around
        ("samples", "uint"),
        ("seed", "uint"),
        # After lights have moved and nothing else, what the sums tell of the environment and of shapes still holds.
        ("kept", "uint"),  # whether it does: these sums stand for more samples than the others, which begin anew
        ("known_lights", "uint"),  # bits of lights that are looked for no more
        ("moves", "uint"),  # how often lights have moved since all of the light was gathered anew
        ("first_part", "uint"),  # of the update: where it gathers this time
        ("parts", "uint"),  # so many at once, of PARTS
        ("settling_lights", "uint"),  # so many of them may be settled before all samples are there
        ("still", "uint"),  # whether images that lights alone do not change stay as they are
        ("unit", "float"),  # of light in the images: a power of two, so that halves neither overflow nor lose bits
    ],
)


_TEXELS = """
const uint TEXELS = CACHE_SIZE * CACHE_SIZE;
// In `visibility`: a light's shadow texels, then the vertices of what is not face. Lights begin at multiples of four.
uint look_index(uint light, uint place, uint points)
{
    return light * (SHADOW_TEXELS + (points - TEXELS + 3u) / 4u * 4u) + place;
}
uint vertex_place(uint point) { return SHADOW_TEXELS + point - TEXELS; }
// How often a light was looked for, in the upper half of a word, and how often it was seen, in the lower.
uint one_look(bool sees) { return 0x10000u + uint(sees); }
// From a vertex it counts by its cosine, as light does that falls there: up to so many times. 4,096 looks fit.
uint look_weight(float cosine) { return uint(15.0 * abs(cosine) + 0.5); }
float share_of(uint looks) { return float(looks & 0xffffu) / float(max(looks >> 16u, 1u)); }
bool has_bit(uint mask, uint light) { return light < 32u && (mask >> light & 1u) != 0u; }

vec3 mean_reflected(GatheredLight light) { return light.reflected / max(light.lit_looks, 1e-6); }
uint texel_around(uint fine) { return fine / FINE_SIZE / FINE_SCALE * CACHE_SIZE + fine % FINE_SIZE / FINE_SCALE; }
// The k-th of scale * scale finer texels within one of a square of `size`.
uint texel_within(uint texel, uint size, uint scale, uint k)
{
    return (texel / size * scale + k / scale) * size * scale + texel % size * scale + k % scale;
}
uint fine_within(uint texel, uint k) { return texel_within(texel, CACHE_SIZE, FINE_SCALE, k); }
uint shadow_within(uint fine, uint k) { return texel_within(fine, FINE_SIZE, SHADOW_SCALE, k); }

// What a Gaussian along the skin keeps of light beside the end of the skin: what spreads beyond it is lost. The normal
// distribution, to 0.0002 (Page 1977).
vec3 share_on_skin(float to_border, vec3 deviation)
{
    vec3 x = clamp(to_border / deviation, -BORDER_DEVIATIONS, BORDER_DEVIATIONS); // of less, tanh may be NaN
    return 0.5 + 0.5 * tanh(0.797885 * (x + 0.044715 * x * x * x));
}
"""


def point_groups(points: int) -> tuple[int, int]:
    """How many groups of 64 threads a dispatch has along x and y that has a thread, POINT, for every point."""
    groups = -(-points // 64)
    rows = -(-groups // MOST_GROUPS)
    return -(-groups // rows), rows


def words_of_a_light(size: int, points: int) -> int:
    """How many words of `visibility` every light has, as `look_index` counts them; four are read at a time.

    Args:
        size: texels along the UV square.
        points: those texels and the vertices of what is not face.
    """
    return (SHADOW_SCALE * FINE_SCALE * size) ** 2 + -(-(points - size**2) // 4) * 4


def light_cache_declarations(size: int) -> str:
    """The text of light_cache.glsl for a cache of `size` texels along the UV square."""
    fine_size = FINE_SCALE * size
    shadow_size = SHADOW_SCALE * fine_size
    taps = BLUR_TAPS * max(size, DEFAULT_CACHE_SIZE) // DEFAULT_CACHE_SIZE
    constants = {
        **{f"CACHE_{name}": i for i, name in enumerate(CACHE_IMAGES)},
        "CACHE_IMAGES": len(CACHE_IMAGES),
        "COARSE_IMAGES": len(COARSE_IMAGES),
        "CACHE_SIZE": size,
        "FINE_SIZE": fine_size,
        "FINE_TEXELS": f"{fine_size**2}u",
        "SIGMA_NARROW": SIGMA_NARROW,
        "SIGMA_WIDE": SIGMA_WIDE,
        "BORDER_DEVIATIONS": BORDER_DEVIATIONS,
        "TRANSMISSION_REACH": TRANSMISSION_REACH,
        "INWARD_CONE": INWARD_CONE,
        "THICKNESS_MIN": THICKNESS_MIN,
        "THICKNESS_MAX": THICKNESS_MAX,
        "BLUR_TAPS": taps,
        "BLUR_REACH": BLUR_REACH,
        "COARSE_SHARE": COARSE_SHARE,
        "FINE_SCALE": f"{FINE_SCALE}u",
        "FINE_BLUR_TAPS": FINE_SCALE * taps,
        "SHADOW_SCALE": f"{SHADOW_SCALE}u",
        "SHADOWS": f"{SHADOW_SCALE**2}u",  # shadow texels of a fine one
        "SHADOW_SIZE": shadow_size,
        "SHADOW_TEXELS": f"{shadow_size**2}u",
        "PARTS": f"{PARTS}u",
        "LIGHT_SHARES": f"{LIGHT_SHARES}u",
        "SETTLING_SAMPLES": f"{SETTLING_SAMPLES}u",
        "HAIR_SAMPLES": f"{HAIR_SAMPLES}u",
        "HAIR_TURNS": f"{HAIR_TURNS}u",
        "POINT": "(gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64u) + gl_GlobalInvocationID.x)",
    }
    structs = (CACHE_POINT, GATHERED_LIGHT, FINE_LIGHT, VERTEX_LIGHT, SETTLED_LIGHTS, CACHE_STATE)
    defines = (f"#define {name} {value}" for name, value in constants.items())
    return "\n".join([*defines, *(struct.glsl for struct in structs), _TEXELS])
