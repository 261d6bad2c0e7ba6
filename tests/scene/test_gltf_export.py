"""glTF files that we write: read back by our loader, and byte by byte against the specification."""

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.scene.gltf_export import encode_glb
from app.scene.meshes import load_mesh
from app.scene.model import Material, Part, Texture
from tests.primitives import uv_sphere


def _skin() -> Part:
    rng = np.random.default_rng(1)
    smooth = np.linspace(40, 200, 64, dtype=np.uint8)
    material = Material(
        "skin",
        albedo=(0.9, 0.8, 0.7),
        albedo_map=Texture(np.stack([*np.meshgrid(smooth, smooth), np.full((64, 64), 90, np.uint8)], -1), srgb=True),
        roughness=0.8,
        roughness_map=Texture(rng.integers(0, 256, (16, 16, 1), dtype=np.uint8)),
        normal_map=Texture(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), wrap=("mirror", "clamp")),
        normal_scale=0.5,
        ior=1.4,
        subsurface=0.75,
        mean_free_path=(3.0, 1.25, 0.5),
        second_roughness=0.5,
        second_weight=0.25,
    )
    return Part("skin", uv_sphere(0.1, 8, 12), material, face=True)


def _cornea() -> Part:
    move = np.eye(4)
    move[:3, 3] = 0.0, 0.01, 0.1
    glass = Material("cornea", albedo=(1.0, 1.0, 1.0), roughness=0.03, ior=1.376, transmission=1.0)
    return Part("cornea", uv_sphere(0.02, 6, 8), glass, transform=move)


def _document(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    document = json.loads(data[20 : 20 + size])
    body_size, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0"
    assert body_size == document["buffers"][0]["byteLength"]
    return document, data[28 + size :]


def _lamp(name: str, brightness: float) -> Part:
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    material = Material(
        name,
        metallic=0.25,
        opacity=0.5,
        alpha_mode="mask",
        alpha_cutoff=0.3,
        emission=(brightness, 0.5 * brightness, 0.0),
        normal_map=Texture(pixels),
        normal_scale=0.5,
    )
    return Part(name, uv_sphere(0.02, 6, 8), material)


def test_our_loader_reads_back_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "head.glb"
    parts = [_skin(), _cornea(), _lamp("lamp", 2.0), _lamp("ember", 0.5)]
    file.write_bytes(encode_glb(parts))
    for ours, theirs in zip(parts, load_mesh(file), strict=True):
        assert theirs.name == ours.name
        assert theirs.face == ours.face
        np.testing.assert_array_equal(theirs.mesh.positions, ours.mesh.positions)
        np.testing.assert_allclose(theirs.mesh.normals, ours.mesh.normals, atol=1e-6)
        np.testing.assert_allclose(theirs.mesh.uvs, ours.mesh.uvs, atol=1e-6)
        np.testing.assert_array_equal(theirs.transform, ours.transform)
        a, b = theirs.material, ours.material
        numbers = ("albedo", "roughness", "metallic", "ior", "opacity", "alpha_cutoff", "transmission", "emission")
        for name in (*numbers, "subsurface", "second_roughness", "second_weight", "normal_scale"):
            assert getattr(a, name) == pytest.approx(getattr(b, name)), name
        assert a.alpha_mode == b.alpha_mode
        if b.normal_map is not None:
            assert a.normal_map is not None and not a.normal_map.srgb
            assert a.normal_map.wrap == b.normal_map.wrap
            np.testing.assert_array_equal(a.normal_map.pixels, b.normal_map.pixels)
        if ours.face:
            assert a.mean_free_path == pytest.approx(b.mean_free_path)
            assert a.albedo_map and b.albedo_map and a.roughness_map and b.roughness_map
            difference = a.albedo_map.pixels.astype(int) - b.albedo_map.pixels
            assert np.abs(difference).max() <= 4  # JPEG
            np.testing.assert_array_equal(a.roughness_map.pixels, b.roughness_map.pixels)


def test_morph_targets_are_sparse_and_exact() -> None:
    skin, cornea = _skin(), _cornea()
    count = len(skin.mesh.positions)
    some = np.zeros((count, 3), np.float32)
    some[3:7] = np.arange(12, dtype=np.float32).reshape(4, 3) * 1e-3 + 1e-3
    some[9] = 1e-8  # too little to be seen
    targets = {"jawOpen": {"skin": some}, "mouthClose": {}}
    document, body = _document(encode_glb([skin, cornea], targets))
    moving, still = document["meshes"]
    assert moving["extras"]["targetNames"] == ["jawOpen", "mouthClose"]
    assert moving["weights"] == [0.0, 0.0]
    assert "weights" not in still
    jaw, close = (document["accessors"][t["POSITION"]] for t in moving["primitives"][0]["targets"])
    assert jaw["count"] == close["count"] == count
    assert "sparse" not in close
    assert jaw["bufferView"] == close["bufferView"]  # of zeros; who shares one has to say how long a row is
    assert document["bufferViews"][close["bufferView"]]["byteStride"] == 12
    sparse = jaw["sparse"]

    def read(part: str, kind: str) -> Any:
        view = document["bufferViews"][sparse[part]["bufferView"]]
        return np.frombuffer(body, kind, view["byteLength"] // 4, view["byteOffset"])

    np.testing.assert_array_equal(read("indices", "<u4"), [3, 4, 5, 6])
    np.testing.assert_array_equal(read("values", "<f4").reshape(-1, 3), some[3:7])
    assert jaw["max"] == pytest.approx(some.max(axis=0).tolist())


def test_parts_that_share_a_material_share_its_images() -> None:
    skin = _skin()
    document, _ = _document(encode_glb([skin, replace(skin, name="ear")]))
    assert len(document["materials"]) == 1 and len(document["images"]) == 3
    assert [mesh["primitives"][0]["material"] for mesh in document["meshes"]] == [0, 0]


def test_colours_are_as_fine_as_brightness() -> None:
    document, body = _document(encode_glb([_skin()]))
    image = next(image for image in document["images"] if image["mimeType"] == "image/jpeg")
    view = document["bufferViews"][image["bufferView"]]
    jpeg: Any = Image.open(io.BytesIO(body[view["byteOffset"] :][: view["byteLength"]]))
    assert [(across, down) for _, across, down, _ in jpeg.layer] == [(1, 1)] * 3


def test_whose_the_file_is_stands_in_it() -> None:
    document, _ = _document(encode_glb([_cornea()], copyright_notice="CC0 1.0"))
    assert document["asset"]["copyright"] == "CC0 1.0"
    document, _ = _document(encode_glb([_cornea()]))
    assert "copyright" not in document["asset"]


def test_colours_that_are_not_bytes_are_rounded(tmp_path: Path) -> None:
    values = np.array([[[0.0], [0.75], [1.0], [1.5]]], np.float32)
    part = replace(_cornea(), material=Material("map", roughness_map=Texture(values)))
    (tmp_path / "map.glb").write_bytes(encode_glb([part]))
    found = load_mesh(tmp_path / "map.glb")[0].material.roughness_map
    assert found is not None and found.pixels.ravel().tolist() == [0, 191, 255, 255]


@pytest.mark.parametrize(("brightness", "factor", "strength"), [(2.0, 1.0, 2.0), (0.5, 0.5, None)])
def test_factors_are_at_most_one(brightness: float, factor: float, strength: float | None) -> None:
    document, _ = _document(encode_glb([_lamp("lamp", brightness)]))
    (material,) = document["materials"]
    assert material["emissiveFactor"] == [factor, 0.5 * factor, 0.0]
    extension = material.get("extensions", {}).get("KHR_materials_emissive_strength", {})
    assert extension.get("emissiveStrength") == strength


def test_extensions_are_declared_and_bytes_repeat() -> None:
    data = encode_glb([_skin(), _cornea()], extras={"seed": 3})
    document, _ = _document(data)
    assert document["extensionsUsed"] == ["KHR_materials_ior", "KHR_materials_transmission"]
    assert document["asset"]["extras"] == {"seed": 3}
    assert data == encode_glb([_skin(), _cornea()], extras={"seed": 3})
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
