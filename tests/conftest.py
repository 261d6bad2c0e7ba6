"""Fixtures for all tests: one real GPU (or lavapipe) for the session, watched by the validation layer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.gpu import Device

SHADERS = Path(__file__).parent / "gpu" / "shaders"


@pytest.fixture(scope="session")
def session_device() -> Iterator[Device]:
    """The device that all tests share. Use `gpu`, which checks every test."""
    with Device.open(validation=True, shader_folders=[SHADERS]) as device:
        yield device


@pytest.fixture
def gpu(session_device: Device) -> Iterator[Device]:
    """The session's device; after the test the validation layer must have nothing to say about it."""
    before = len(session_device.validation_messages)
    yield session_device
    messages = session_device.validation_messages[before:]
    assert not messages, "\n".join(messages)
