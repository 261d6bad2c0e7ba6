"""A real window, swapchain and renderer: what frames cost in Vulkan objects."""

from contextlib import ExitStack, closing
from pathlib import Path

from app.gpu import Device, live_objects
from app.light_switch import LightSwitch
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene
from app.viewer import Viewer
from app.weight_switch import WeightSwitch
from app.window import Window, glfw_ready
from tests.primitives import uv_sphere

HEAD = Part("head", uv_sphere(0.1, 12, 16), Material("skin", (0.6, 0.4, 0.3), subsurface=1.0), face=True)
SUN = LightRig((DirectionalLight((0.3, -0.4, -1.0), irradiance=3.0),))


def test_frames_of_the_window_make_nothing(on_screen: str, tmp_path: Path) -> None:
    """Once each of its images has been shown; the copies to them are recorded then."""
    before = live_objects()
    weights = WeightSet.untrained((32, 4, 15))
    scene = Scene((HEAD,), SUN, None, Camera((0.0, 0.0, 0.6), (0.0, 0.0, 0.0)))
    with ExitStack() as stack:
        stack.enter_context(glfw_ready())
        device = stack.enter_context(Device.open(window=True, validation=True, raytracing=False))
        window = stack.enter_context(Window((160, 120), "bungyo frames"))
        renderer = stack.enter_context(
            Renderer(device, scene, weights, window.framebuffer_size, cache_size=32, cache_samples=8)
        )
        renderer.antialias_motion = True  # as the demo has it
        switch = stack.enter_context(closing(WeightSwitch(renderer, [tmp_path], WeightSet.load, window.wake)))
        lights = LightSwitch(renderer, [None])
        viewer = stack.enter_context(Viewer(window, device, renderer, tmp_path, switch, lights))
        viewer.run(8)  # the window system has three or four images
        made = device.objects_made
        assert made["VkSwapchainKHR"] == 1 and made["VkCommandPool"] > 0
        viewer.run(4)
        for key in ("LEFT", "+", "G", "1", "T", "HOME"):
            viewer.orbit(0.05, 0.02)
            viewer.press(key)
            viewer.run(2)
        assert device.objects_made == made
    assert device.validation_messages == []
    assert live_objects() == before
