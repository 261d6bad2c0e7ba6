"""What several tests of passes need."""

import pytest

from app.gpu import Device
from app.passes.scene_buffers import SceneBuffers
from app.scene.model import Scene
from tests.conftest import Keep


@pytest.fixture
def buffers(gpu: Device, face: Scene, keep: Keep) -> SceneBuffers:
    """The default face on the GPU, in a frame of 16x16 pixels."""
    scene: SceneBuffers = keep(SceneBuffers(gpu, face))
    scene.set_frame(face.camera, 16, 16, jitter=(0.0, 0.0), sample_index=0)
    return scene
