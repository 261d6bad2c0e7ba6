"""Shader compilation: search path, generated includes, errors with file and line, the cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import BungyoError
from app.gpu import ShaderCompiler, ShaderError
from app.gpu.glslang import Shader
from app.gpu.shader import SHADER_FOLDER
from tests.conftest import SHADERS

MAIN = "layout(local_size_x = 1) in;\n"


@pytest.fixture
def compiler(tmp_path: Path) -> ShaderCompiler:
    return ShaderCompiler([SHADERS, SHADER_FOLDER], cache=tmp_path / "cache")


def complain(compiler: ShaderCompiler, text: str, **includes: str) -> str:
    virtual = {"main.comp": text, **{name.replace("_glsl", ".glsl"): body for name, body in includes.items()}}
    with pytest.raises(ShaderError) as caught:
        compiler.compile("main.comp", includes=virtual)
    assert "ERROR" in caught.value.log
    return caught.value.message


def test_error_in_the_shader_names_its_line(compiler: ShaderCompiler) -> None:
    message = complain(compiler, MAIN + "\nvoid main() {\n    float x = nothing;\n}\n")
    assert message == "Shader main.comp does not compile: main.comp:4: 'nothing': undeclared identifier."


def test_error_in_an_included_file_names_that_file(compiler: ShaderCompiler) -> None:
    with pytest.raises(ShaderError) as caught:
        compiler.compile("broken.comp", includes={"fine.glsl": "#define FINE\n\n\n"})
    assert caught.value.message == (
        "Shader broken.comp does not compile: broken_inner.glsl:3: 'undefined_name': undeclared identifier."
    )
    # And the lines after an include count on in the including file.
    message = complain(compiler, MAIN + '#include "a.glsl"\n\nint main() {}\n', a_glsl="\n\n\n\n\nfloat a;\n")
    assert "main.comp:4:" in message


def test_missing_include_is_named(compiler: ShaderCompiler) -> None:
    message = complain(compiler, MAIN + '#include "no_such.glsl"\nvoid main() {}\n')
    assert message == "Shader main.comp does not compile: main.comp:2: there is no file no_such.glsl."
    message = complain(compiler, MAIN + '#include "a.glsl"\nvoid main() {}\n', a_glsl='\n#include "b.glsl"\n')
    assert message.endswith("a.glsl:2: there is no file b.glsl.")


def test_endless_include_is_named(compiler: ShaderCompiler) -> None:
    text = MAIN + '#include "a.glsl"\nvoid main() {}\n'
    message = complain(compiler, text, a_glsl='#include "b.glsl"\n', b_glsl='\n#include "a.glsl"\n')
    assert message.endswith(".glsl:2: a file includes itself without end.")


def test_guards_and_inactive_includes_work(compiler: ShaderCompiler) -> None:
    includes = {
        "main.comp": MAIN
        + '#if 0\n#include "no_such.glsl"\n#endif\n// #include "no_such.glsl"\n'
        + '#include "guarded.glsl"\n#include "guarded.glsl"\nvoid main() { f(); }\n',
        "guarded.glsl": '#ifndef GUARD\n#define GUARD\n#include "guarded.glsl"\nvoid f() {}\n#endif\n',
    }
    assert compiler.compile("main.comp", includes=includes)[:4] == b"\x03\x02\x23\x07"


def test_missing_shader_and_unknown_stage(compiler: ShaderCompiler) -> None:
    with pytest.raises(BungyoError, match=r"There is no shader no_such\.comp in "):
        compiler.compile("no_such.comp")
    with pytest.raises(BungyoError, match=r"stage suffixes \.vert"):
        compiler.compile("no_such.glsl")


def test_syntax_error_and_link_error(compiler: ShaderCompiler) -> None:
    assert "syntax error" in complain(compiler, MAIN + "void main() { ]\n")
    assert "Missing entry point" in complain(compiler, MAIN + "void other() {}\n")


def test_spirv_is_1_6(compiler: ShaderCompiler) -> None:
    spirv = compiler.compile("main.comp", includes={"main.comp": MAIN + "void main() {}\n"})
    assert spirv[4:8] == bytes([0, 6, 1, 0])


def test_cache(compiler: ShaderCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal text after preprocessing is compiled once; damaged entries are compiled again without a word."""
    compiled: list[int] = []
    original = Shader.compile

    def counted(shader: Shader) -> bytes:
        compiled.append(1)
        return original(shader)

    monkeypatch.setattr(Shader, "compile", counted)
    text = MAIN + "void main() { int x = VALUE; }\n"

    def compile_with(value: int) -> bytes:
        return compiler.compile("main.comp", includes={"main.comp": text}, defines={"VALUE": value})

    first = compile_with(1)
    assert compile_with(1) == first and len(compiled) == 1
    compile_with(2)
    assert len(compiled) == 2 and len(list(compiler.cache.iterdir())) == 2
    damages: tuple[Callable[[bytes], bytes], ...] = (
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:40],
        lambda data: b"",
        lambda data: b"nonsense" * 20,
    )
    for count, damage in enumerate(damages, start=3):
        for path in compiler.cache.iterdir():
            path.write_bytes(damage(path.read_bytes()))
        assert compile_with(1) == first and len(compiled) == count
    # A cache that cannot be written costs only time.
    compiler.cache = Path("/proc/no-such-folder")
    assert compile_with(1) == first
