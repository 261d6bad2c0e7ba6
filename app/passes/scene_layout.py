"""How the scene lies in GPU memory: the one description of its structs, constants and descriptor slots.

shaders/include/scene.glsl gets all of it as generated files (`SCENE_INCLUDES`).
"""

from app.gpu import Struct
from app.passes.dielectric_table import DIELECTRIC_TABLE_SIZE
from app.passes.ggx_albedo import MIN_ROUGHNESS, TABLE_SIZE
from app.scene.environment import LUMINANCE
from app.scene.lights import FURTHEST, AreaLight, DirectionalLight, PointLight
from app.scene.medium import MEDIUM_TABLE_SIZE, SMALLEST_DECAY

MAX_TEXTURES = 32
ENVIRONMENT_LEVELS = 6
MOST_DISCS = 6  # of a light; lamps more than so many times as long as wide have gaps between them
# Steps of the additive recurrence of Roberts 2018 ("R2"): evenly spread over the unit square for any run of indices.
R2 = (0.7548776662466927, 0.5698402909980532)
# Groups of parts that rays can pass over. Clear: what has transmission, whatever else it is.
MASK_FACE, MASK_SOLID, MASK_SPARSE_HAIR, MASK_CLEAR = 1, 2, 4, 8
MASK_ALL = MASK_FACE | MASK_SOLID | MASK_SPARSE_HAIR | MASK_CLEAR

SLOTS = (
    "TLAS", "PRIMITIVES", "VERTICES", "LIGHT_UVS", "INDICES", "TRIANGLE_PARTS", "PARTS", "MATERIALS", "LIGHTS", "DISCS",
    "ENVIRONMENT", "ENVIRONMENT_ALIAS", "GGX_ALBEDO", "DIELECTRICS", "FRAME", "TEXTURES", "ENVIRONMENT_LEVELS",
)  # fmt: skip
FIRST_PASS_SLOT = len(SLOTS)

VERTEX = Struct("Vertex", [("position", "vec3"), ("normal", "vec3"), ("uv", "vec2")])
PART = Struct("Part", [("first_index", "uint"), ("material", "uint"), ("face", "uint")])
PRIMITIVE = Struct("Primitive", [("part", "uint"), ("triangle", "uint")])  # in the order of the acceleration structures
MATERIAL = Struct(
    "Material",
    [
        ("albedo", "vec3"),
        ("roughness", "float"),
        ("metallic", "float"),
        ("second_roughness", "float"),
        ("second_weight", "float"),  # share of the second lobe
        ("f0", "float"),
        ("ior", "float"),  # of a boundary that light crosses: at least MIN_BOUNDARY_IOR
        ("subsurface", "float"),
        ("transmission", "float"),
        ("normal_scale", "float"),
        ("mean_free_path", "vec3"),  # metres
        ("texture_size", "float"),  # texels along the first map's edge
        ("emission", "vec3"),
        ("albedo_map", "int"),  # index into textures, -1 = none
        ("roughness_map", "int"),  # the same as normal_map: in its fourth channel; otherwise in the first
        ("normal_map", "int"),
        ("roughness_lod", "float"),  # how many mip levels further than of the first map they are read
        ("normal_lod", "float"),
        ("dielectric", "uint"),  # where its table starts in the dielectrics
        ("cut", "float"),  # of what is cut out: alpha at least; negative: minus what alpha is multiplied with
    ],
    multiple=16,
)
LIGHT = Struct(
    "Light",
    [
        ("kind", "uint"),
        ("pick", "float"),  # probability with which a path chooses this light
        ("radius", "float"),  # point: metres; directional: sine of the angular radius
        ("area", "float"),  # of the rectangle, m2
        ("position", "vec3"),
        ("direction", "vec3"),  # in which the light shines
        ("color", "vec3"),  # directional: irradiance; point: intensity; area: radiance
        ("edge_u", "vec3"),
        ("edge_v", "vec3"),
    ],
    multiple=16,
)
# What stands for lights where they are not sampled: a disc for each, a row of them for a rectangle longer than wide.
DISC = Struct(
    "Disc",
    [
        ("place", "vec3"),  # of its middle; directional: unit, towards the light
        ("radius", "float"),  # metres; directional: sine of the angular radius
        ("color", "vec3"),  # irradiance at a distance of 1 m, straight ahead
        ("kind", "uint"),  # the light's
        ("direction", "vec3"),  # of a rectangle: in which it shines
        ("light", "uint"),  # its number
    ],
    multiple=16,
)
ENVIRONMENT = Struct(
    "Environment",
    [
        ("present", "uint"),
        ("width", "uint"),
        ("height", "uint"),
        ("turn", "vec2"),  # cosine and sine of its rotation
        ("intensity", "float"),
        ("pick", "float"),  # probability with which a path chooses the environment
    ],
)
ENVIRONMENT_TEXEL = Struct("EnvironmentTexel", [("keep", "float"), ("alias", "uint"), ("density", "float")])
FRAME = Struct(
    "Frame",
    [
        ("view_projection", "mat4"),
        ("head_from_world", "mat3"),  # rotation: directions that networks see turn with the head
        ("camera_origin", "vec3"),
        ("camera_right", "vec3"),
        ("camera_up", "vec3"),
        ("camera_forward", "vec3"),
        ("near", "float"),
        ("far", "float"),
        ("pixel_angle", "float"),  # width of a pixel at distance 1
        ("exposure", "float"),  # factor
        ("light_level", "float"),  # typical irradiance; proportional to all lights
        ("size", "uvec2"),
        ("tiles_x", "uint"),
        ("row_stride", "uint"),  # how rows of tiles are dealt out to workgroups
        ("row_modulus", "uint"),
        ("light_count", "uint"),
        ("disc_count", "uint"),
        (
            "lamp_count",
            "uint",
        ),  # of the lights, the last ones: lamps of the environment map, which the reference has whole
        ("sample_index", "uint"),
        ("seed", "uint"),
        ("jitter", "vec2"),
    ],
)

LIGHT_KINDS = {DirectionalLight: 0, PointLight: 1, AreaLight: 2}

_CONSTANTS = "\n".join(
    [
        *(f"#define SLOT_{name} {slot}" for slot, name in enumerate(SLOTS)),
        f"#define TEXTURE_COUNT {MAX_TEXTURES}",
        f"#define ENVIRONMENT_LEVELS {ENVIRONMENT_LEVELS}",
        f"#define LUMINANCE vec3{tuple(LUMINANCE.tolist())}",
        f"#define R2 vec2{R2}",
        f"#define MIN_ROUGHNESS {MIN_ROUGHNESS}",
        f"#define GGX_TABLE_SIZE {TABLE_SIZE}",
        f"#define DIELECTRIC_TABLE_SIZE {DIELECTRIC_TABLE_SIZE}",
        f"#define MEDIUM_TABLE_SIZE {MEDIUM_TABLE_SIZE}",
        f"#define SMALLEST_DECAY {SMALLEST_DECAY}",
        f"#define LIGHT_FAR {FURTHEST}",
        *(f"#define LIGHT_{kind.__name__.removesuffix('Light').upper()} {n}u" for kind, n in LIGHT_KINDS.items()),
        f"#define MASK_FACE {MASK_FACE}u",
        f"#define MASK_SOLID {MASK_SOLID}u",
        f"#define MASK_SPARSE_HAIR {MASK_SPARSE_HAIR}u",
        f"#define MASK_CLEAR {MASK_CLEAR}u",
        f"#define MASK_ALL {MASK_ALL}u",
    ]
)
_STRUCTS = (VERTEX, PART, PRIMITIVE, MATERIAL, LIGHT, DISC, ENVIRONMENT, ENVIRONMENT_TEXEL, FRAME)
_LOADERS = (MATERIAL.texel_loader("materials"), LIGHT.texel_loader("lights"), DISC.texel_loader("discs"))
SCENE_INCLUDES = {
    "scene_structs.glsl": "\n".join([_CONSTANTS, *(struct.glsl for struct in _STRUCTS)]),
    "scene_loaders.glsl": "\n".join(_LOADERS),
}
