"""Shader files to SPIR-V: search path, prelude, generated includes, errors with file and line, cache on disk."""

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import BungyoError
from app.gpu.cache_files import cache_folder, load_checked, store_checked
from app.gpu.glslang import STAGES, GlslError, Shader, glslang_version

# Folder of the project's shaders; `include/` below it is searched too.
SHADER_FOLDER = Path(__file__).resolve().parents[2] / "shaders"

_EXTENSIONS = (
    "GL_GOOGLE_include_directive",
    "GL_GOOGLE_cpp_style_line_directive",
    "GL_EXT_scalar_block_layout",
    "GL_EXT_buffer_reference",
    "GL_EXT_buffer_reference2",
    "GL_EXT_buffer_reference_uvec2",
    "GL_EXT_nonuniform_qualifier",
    "GL_EXT_samplerless_texture_functions",
    "GL_EXT_shader_image_load_formatted",
    "GL_EXT_control_flow_attributes",
    "GL_EXT_shader_explicit_arithmetic_types",
    "GL_EXT_shader_atomic_int64",
    "GL_EXT_shader_16bit_storage",
    "GL_EXT_shader_8bit_storage",
    "GL_EXT_shared_memory_block",
    "GL_KHR_memory_scope_semantics",
    "GL_KHR_cooperative_matrix",
    "GL_KHR_shader_subgroup_basic",
    "GL_KHR_shader_subgroup_vote",
    "GL_KHR_shader_subgroup_ballot",
    "GL_KHR_shader_subgroup_arithmetic",
    "GL_KHR_shader_subgroup_shuffle",
)
_RAY_STAGES = ("rgen", "rint", "rahit", "rchit", "rmiss")

# Part of every cache key, as glslang's version is: bump it when compiler options change.
_OPTIONS_VERSION = 1


class ShaderError(BungyoError):
    """A shader does not compile. `message` names file, line and the first complaint; `log` has all of them."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log
        self.add_note(log)


class _Expanded(NamedTuple):
    """A text that was expanded: the name under which its SPIR-V is kept, and what it included, by name."""

    key: str
    included: Mapping[str, str]


class ShaderCompiler:
    """Compiles shader files found in `folders` (each with its `include/`), the first folder winning.

    Args:
        folders: where shader files lie.
        cache: folder of compiled SPIR-V; None means `cache_folder()/spirv`.

    Attributes:
        defines: macros set in front of every text.
    """

    def __init__(self, folders: Sequence[Path] = (SHADER_FOLDER,), cache: Path | None = None) -> None:
        self.folders = list(folders)
        self.defines: dict[str, int] = {}
        self.cache = cache if cache is not None else cache_folder() / "spirv"
        # By stage and text: to expand one takes some milliseconds.
        self._expanded: dict[tuple[str, str], _Expanded] = {}
        self._compiling = threading.Lock()  # the compiler is given to one thread at a time

    def compile(
        self,
        name: str,
        *,
        includes: Mapping[str, str] | None = None,
        defines: Mapping[str, str | int] | None = None,
    ) -> bytes:
        """SPIR-V 1.6 of the shader file `name`, whose suffix is its stage (.comp .vert .frag .rgen .rmiss ...).

        Args:
            name: file below one of the folders, or a name in `includes`.
            includes: generated texts by name; `#include` and `name` look here before the folders.
            defines: macros set in front of the text.

        Raises:
            ShaderError: it does not compile.
            BungyoError: there is no such file, or its suffix is no stage.
        """
        virtual = dict(includes or {})
        stage = name.rsplit(".", 1)[-1]
        if stage not in STAGES:
            raise BungyoError(f"The shader {name} has none of the stage suffixes .{' .'.join(STAGES)}.")
        found = self._find(name, virtual)
        if found is None:
            places = ", ".join(str(folder) for folder in self.folders)
            raise BungyoError(f"There is no shader {name} in {places}.")
        text = _prelude(stage, {**self.defines, **(defines or {})}) + f'#line 1 "{name}"\n' + found
        with self._compiling:
            known = self._expanded.get((stage, text))
            if known is not None and all(self._find(n, virtual) == content for n, content in known.included.items()):
                spirv = load_checked(self.cache / known.key)
                if spirv is not None:
                    return spirv
            return self._compile(name, stage, text, virtual)

    def _compile(self, name: str, stage: str, text: str, virtual: Mapping[str, str]) -> bytes:
        included: dict[str, str] = {}
        missing: list[str] = []

        def include(header: str, _includer: str) -> tuple[str, str] | None:
            content = self._find(header, virtual)
            if content is None:
                missing.append(header)
                return None
            included[header] = content
            return header, content

        with Shader(stage, text, include) as shader:
            try:
                compiler = f"bungyo-spirv-{_OPTIONS_VERSION} glslang-{glslang_version()} vulkan-1.3"
                key = hashlib.sha256((compiler + stage + shader.preprocess()).encode()).hexdigest()
                self._expanded[stage, text] = _Expanded(key, included)
                spirv = load_checked(self.cache / key)
                if spirv is None:
                    spirv = shader.compile()
                    store_checked(self.cache / key, spirv)
                return spirv
            except GlslError as error:
                raise _shader_error(name, str(error), missing) from None

    def _find(self, name: str, virtual: Mapping[str, str]) -> str | None:
        if name in virtual:
            return virtual[name]
        for folder in self.folders:
            for path in (folder / name, folder / "include" / name):
                if path.is_file():
                    return path.read_text(encoding="utf-8")
        return None


def _prelude(stage: str, defines: Mapping[str, str | int]) -> str:
    lines = ["#version 460"]
    lines += [f"#extension {extension} : enable" for extension in _EXTENSIONS]
    if stage in _RAY_STAGES:
        lines.append("#extension GL_EXT_ray_tracing : enable")
    if stage == "comp":
        lines.append("#extension GL_EXT_ray_query : enable")
    lines += [f"#define {key} {value}" for key, value in defines.items()]
    return "\n".join(lines) + "\n"


def _shader_error(name: str, log: str, missing: list[str]) -> ShaderError:
    """glslang's log "ERROR: file:line: 'token' : complaint" as one sentence."""
    for line in log.splitlines():
        match = re.match(r"ERROR: (.+?):(\d+): (?:'(.*?)' : )?(.*)", line)
        if match is None:
            continue
        file, number, token, complaint = match.groups()
        text = f"'{token}': {complaint}" if token else complaint
        if token == "#include":
            text = f"there is no file {missing[-1]}" if missing else "a file includes itself without end"
        return ShaderError(f"Shader {name} does not compile: {file}:{number}: {text.strip().rstrip('.')}.", log)
    first = next((line for line in log.splitlines() if line.strip()), "the compiler gives no reason")
    return ShaderError(f"Shader {name} does not compile: {first.strip().rstrip('.')}.", log)
