"""A window's images on a virtual screen: what is blitted is what the screen shows, also after a resize."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from PIL import ImageGrab

from app.errors import BungyoError, InputError
from app.gpu import CommandBuffer, Device, Image, Swapchain, live_objects
from app.gpu.binding import make, vk
from app.gpu.swapchain import _composite_alpha, _transform, choose_format, choose_present_mode
from app.gpu.window_system import glfw_words
from app.window import Window, glfw_ready


@pytest.fixture
def window(on_screen: str) -> Iterator[Window]:
    with Window((320, 200), "swapchain test") as opened:
        yield opened


def record(device: Device, swapchain: Swapchain, picture: Image) -> list[CommandBuffer]:
    """One command buffer for each image of the swapchain."""
    recorded = []
    for image in swapchain.images:
        with device.commands() as cmd:
            cmd.blit(picture, image)
        recorded.append(cmd)
    return recorded


def show(device: Device, swapchain: Swapchain, commands: list[CommandBuffer], frames: int, wait: bool) -> None:
    for _ in range(frames):
        while (image := swapchain.acquire()) is None:  # a busy machine takes its time
            assert not swapchain.outdated
        assert swapchain.acquire() is image  # not presented yet: the same again
        device.submit(commands[image.index], wait=wait)
        swapchain.present()


def close_all(*things: list[CommandBuffer]) -> None:
    for commands in things:
        for cmd in commands:
            cmd.close()


@pytest.mark.parametrize("wait", [True, False])
def test_shows_what_is_blitted_and_resizes(window: Window, on_screen: str, wait: bool) -> None:
    import glfw

    before = live_objects()
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :2], pixels[:2, 2:] = (255, 0, 0, 255), (0, 255, 0, 255)
    pixels[2:, :2], pixels[2:, 2:] = (0, 0, 255, 255), (90, 120, 150, 255)
    with Device.open(window=True, validation=True, raytracing=False) as device, ExitStack() as stack:
        picture = stack.enter_context(device.image(4, 4, "rgba8"))
        picture.upload(pixels)
        swapchain = stack.enter_context(Swapchain(device, window.handle, window.framebuffer_size))
        assert swapchain.size == (320, 200) and len(swapchain.images) >= 2

        def check_screen() -> None:
            x, y = glfw.get_window_pos(window.handle)
            device.wait_idle()
            width, height = swapchain.size
            screen = np.asarray(ImageGrab.grab(xdisplay=on_screen))[y : y + height, x : x + width, :3]
            for row in (0, 1):
                for column in (0, 1):
                    place = screen[height // 8 + row * height * 3 // 4, width // 8 + column * width * 3 // 4]
                    assert (place == pixels[3 * row, 3 * column, :3]).all()

        commands = record(device, swapchain, picture)
        show(device, swapchain, commands, 7, wait)
        check_screen()

        glfw.set_window_size(window.handle, 500, 300)
        window.wait(0.2)
        for _ in range(20):  # the change is noticed within a few frames
            image = swapchain.acquire()
            if image is None and swapchain.outdated:
                break
            if image is None:
                continue
            device.submit(commands[image.index], wait=wait)
            swapchain.present()
        else:
            pytest.fail("the resize was not noticed")
        stale = swapchain.images[0]
        assert swapchain.resize(window.framebuffer_size)
        assert swapchain.size == (500, 300) and stale not in swapchain.images
        resized = record(device, swapchain, picture)
        show(device, swapchain, resized, 5, wait)
        check_screen()

        with pytest.raises(ValueError, match="acquire"):  # recorded for an image of the old size
            device.submit(commands[0])
        with pytest.raises(ValueError, match="present"):
            swapchain.present()
        while swapchain.acquire() is None:  # resizing with an image in hand
            assert not swapchain.outdated
        assert swapchain.resize((500, 300))
        close_all(commands, resized)
        commands = record(device, swapchain, picture)
        show(device, swapchain, commands, 3, wait)
        close_all(commands)
    assert device.validation_messages == []
    assert live_objects() == before


def test_a_gpu_that_the_display_does_not_know(on_screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is made on it, by number and otherwise."""
    before = live_objects()
    with glfw_ready() as glfw:
        for answer in (lambda *_: False, _fail):
            with monkeypatch.context() as patch:
                patch.setattr(glfw, "get_physical_device_presentation_support", answer)
                with pytest.raises(BungyoError, match=r"No GPU here can show pictures in a window: .* this display"):
                    Device.open(window=True)
                with pytest.raises(InputError, match="cannot show pictures in a window") as caught:
                    Device.open(0, window=True)
                assert "--device" in caught.value.hint
                Device.open(0).close()  # pictures in files
        Device.open(window=True).close()
    assert live_objects() == before


def _fail(*_: object) -> None:
    import glfw

    raise glfw.GLFWError("(65542) b'API unavailable'")


def test_images_that_stay_suboptimal_are_replaced_once(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a desktop that scales or turns pictures: new images would be no better, and the next ones neither."""
    import glfw

    def suboptimal(function: Any) -> Any:
        return lambda *arguments: function(*arguments) or vk.VK_SUBOPTIMAL_KHR

    for name in ("vkAcquireNextImageKHR", "vkQueuePresentKHR"):
        monkeypatch.setattr(vk, name, suboptimal(getattr(vk, name)))
    with Device.open(window=True, validation=True, raytracing=False) as device, ExitStack() as stack:
        picture = stack.enter_context(device.image(4, 4, "rgba8"))
        swapchain = stack.enter_context(Swapchain(device, window.handle, window.framebuffer_size))

        def frames(count: int) -> int:
            """Show so many frames; return how often the images were replaced."""
            replaced, shown = 0, 0
            commands = record(device, swapchain, picture)
            while shown < count:
                image = swapchain.acquire()
                if image is not None:
                    device.submit(commands[image.index])
                    swapchain.present()
                    shown += 1
                if swapchain.outdated:
                    close_all(commands)
                    assert swapchain.resize(window.framebuffer_size)
                    commands = record(device, swapchain, picture)
                    replaced += 1
            close_all(commands)
            return replaced

        assert frames(10) == 1
        assert frames(3) == 0
        glfw.set_window_size(window.handle, 300, 220)
        for _ in range(100):  # a busy display is late with it
            window.wait(0.1)
            if window.framebuffer_size == (300, 220):
                break
        window.wait(0.2)
        # In another state of the window it may be of use; before, the driver may have called the images out of date.
        assert 1 <= frames(10) <= 2
        assert frames(3) == 0
        assert swapchain.size == (300, 220)
    assert device.validation_messages == []


def test_a_hidden_window_gives_no_image(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    with Device.open(window=True, validation=True, raytracing=False) as device, ExitStack() as stack:
        picture = stack.enter_context(device.image(4, 4, "rgba8"))
        swapchain = stack.enter_context(Swapchain(device, window.handle, window.framebuffer_size))
        commands = record(device, swapchain, picture)
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(vk, "vkAcquireNextImageKHR", lambda *_: vk.VK_TIMEOUT)
                for _ in range(7):  # more often than there are semaphores
                    assert swapchain.acquire() is None
                    assert not swapchain.outdated
            show(device, swapchain, commands, 2, wait=False)
        device.wait_idle()
        close_all(commands)
    assert device.validation_messages == []


def test_a_window_of_no_size_of_its_own(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Wayland, where the images decide; and one without an area, as a minimised one has none."""
    ask = vk.vkGetPhysicalDeviceSurfaceCapabilitiesKHR
    current, usable = [0xFFFF_FFFF, 0xFFFF_FFFF], True

    def asked(physical: Any, surface: Any, capabilities: Any) -> int:
        result = int(ask(physical, surface, capabilities))
        capabilities.currentExtent.width, capabilities.currentExtent.height = current
        capabilities.minImageExtent.width = capabilities.minImageExtent.height = 200
        capabilities.maxImageExtent.width = capabilities.maxImageExtent.height = 320
        if not usable:
            capabilities.supportedUsageFlags &= ~vk.VK_IMAGE_USAGE_TRANSFER_DST_BIT
        return result

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceSurfaceCapabilitiesKHR", asked)
    before = live_objects()
    with Device.open(window=True, validation=True, raytracing=False) as device, ExitStack() as stack:
        swapchain = stack.enter_context(Swapchain(device, window.handle, (1000, 7)))
        assert swapchain.size == (320, 200) and not swapchain.outdated
        current[:] = 320, 0
        assert not swapchain.resize((320, 200))
        assert swapchain.size == (0, 0) and list(swapchain.images) == [] and swapchain.outdated
        assert swapchain.acquire() is None
        current[:] = 320, 200
        assert swapchain.resize((1, 1)) and swapchain.size == (320, 200) and not swapchain.outdated
        swapchain.close()
        usable = False
        with pytest.raises(BungyoError, match="cannot copy pictures into this window"):
            Swapchain(device, window.handle, window.framebuffer_size)
    assert device.validation_messages == []
    assert live_objects() == before


def test_images_are_as_many_and_of_a_format_as_the_window_allows(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, create = vk.vkGetPhysicalDeviceSurfaceCapabilitiesKHR, vk.vkCreateSwapchainKHR
    most, wanted = (0, 3, 8), list[int]()  # 0: as many as one likes

    def asked(physical: Any, surface: Any, capabilities: Any) -> int:
        result = int(ask(physical, surface, capabilities))
        capabilities.minImageCount, capabilities.maxImageCount = 3, most[len(wanted)]
        return result

    def created(device: Any, info: Any, *others: Any) -> int:
        wanted.append(info.minImageCount)
        return int(create(device, info, *others))

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceSurfaceCapabilitiesKHR", asked)
    monkeypatch.setattr(vk, "vkCreateSwapchainKHR", created)
    before = live_objects()
    with Device.open(window=True, validation=True, raytracing=False) as device:
        for _ in most:
            Swapchain(device, window.handle, window.framebuffer_size).close()
        assert wanted == [4, 3, 4]  # one more than the least, or the next image would have to be waited for
        monkeypatch.setattr("app.gpu.swapchain.format_features", lambda *_: 0)  # nothing can be blitted to them
        with pytest.raises(BungyoError, match="The window offers no format"):
            Swapchain(device, window.handle, window.framebuffer_size)
    assert device.validation_messages == []
    assert live_objects() == before


def test_a_window_without_a_surface_is_explained(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_objects()
    with Device.open(window=True, raytracing=False) as device:
        monkeypatch.setattr("glfw.create_window_surface", _fail)
        with pytest.raises(BungyoError, match=r"^Could not draw into the window: API unavailable\.$"):
            Swapchain(device, window.handle, window.framebuffer_size)
    assert live_objects() == before


def test_choice_of_a_format() -> None:
    srgb, hdr = vk.VK_COLOR_SPACE_SRGB_NONLINEAR_KHR, vk.VK_COLOR_SPACE_HDR10_ST2084_EXT
    eight, other = vk.VK_FORMAT_B8G8R8A8_UNORM, vk.VK_FORMAT_R8G8B8A8_UNORM
    ten, ten_other = vk.VK_FORMAT_A2R10G10B10_UNORM_PACK32, vk.VK_FORMAT_A2B10G10R10_UNORM_PACK32
    encoding = vk.VK_FORMAT_B8G8R8A8_SRGB
    assert choose_format([(encoding, srgb), (ten, srgb), (other, srgb), (eight, srgb)]) == eight
    assert choose_format([(eight, hdr), (ten, srgb), (other, srgb)]) == other
    assert choose_format([(encoding, srgb), (ten_other, hdr), (ten_other, srgb)]) == ten_other
    assert choose_format([(ten_other, srgb), (ten, srgb)]) == ten
    for none in ([], [(eight, hdr), (encoding, srgb)]):
        with pytest.raises(BungyoError, match="no format"):
            choose_format(none)


def test_only_on_wayland_no_present_waits_for_the_display() -> None:
    """A hidden window there may have it wait for ever; elsewhere nothing is to be drawn that is not seen."""
    fifo, mailbox = vk.VK_PRESENT_MODE_FIFO_KHR, vk.VK_PRESENT_MODE_MAILBOX_KHR
    every = [vk.VK_PRESENT_MODE_IMMEDIATE_KHR, mailbox, fifo, vk.VK_PRESENT_MODE_FIFO_RELAXED_KHR]
    assert choose_present_mode(every, wayland=True) == mailbox
    assert choose_present_mode(every, wayland=False) == fifo
    for without in ([], [fifo], [vk.VK_PRESENT_MODE_IMMEDIATE_KHR, fifo]):
        assert choose_present_mode(without, wayland=True) == fifo


def test_images_are_shown_as_the_window_system_wants(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    create, asked_for = vk.vkCreateSwapchainKHR, list[int]()

    def created(device: Any, info: Any, *others: Any) -> int:
        asked_for.append(info.presentMode)
        return int(create(device, info, *others))

    monkeypatch.setattr(vk, "vkCreateSwapchainKHR", created)
    with Device.open(window=True, validation=True, raytracing=False) as device, glfw_ready() as glfw:
        Swapchain(device, window.handle, window.framebuffer_size).close()
        monkeypatch.setattr(glfw, "get_platform", lambda: glfw.PLATFORM_WAYLAND)
        with (
            Swapchain(device, window.handle, window.framebuffer_size) as swapchain,
            device.image(4, 4, "rgba8") as image,
        ):
            commands = record(device, swapchain, image)
            show(device, swapchain, commands, 7, wait=False)
            device.wait_idle()
            close_all(commands)
    assert asked_for == [vk.VK_PRESENT_MODE_FIFO_KHR, vk.VK_PRESENT_MODE_MAILBOX_KHR]
    assert device.validation_messages == []


def test_windows_are_opaque_where_they_can_be() -> None:
    opaque, inherit = vk.VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR, vk.VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR
    multiplied = vk.VK_COMPOSITE_ALPHA_POST_MULTIPLIED_BIT_KHR
    assert _composite_alpha(inherit | opaque) == opaque
    assert _composite_alpha(inherit | multiplied) == min(inherit, multiplied)


def test_pictures_are_upright_on_a_display_that_is_turned(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says that they are drawn turned already has them left as they are: lying on their side."""
    upright, turned = vk.VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR, vk.VK_SURFACE_TRANSFORM_ROTATE_90_BIT_KHR
    cannot = make("VkSurfaceCapabilitiesKHR", supportedTransforms=turned, currentTransform=turned)
    assert _transform(cannot) == turned
    ask, create = vk.vkGetPhysicalDeviceSurfaceCapabilitiesKHR, vk.vkCreateSwapchainKHR
    said = []

    def asked(physical: Any, surface: Any, capabilities: Any) -> int:
        result = int(ask(physical, surface, capabilities))
        capabilities.supportedTransforms |= turned
        capabilities.currentTransform = turned
        return result

    def created(device: Any, info: Any, *others: Any) -> int:
        said.append(info.preTransform)
        return int(create(device, info, *others))

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceSurfaceCapabilitiesKHR", asked)
    monkeypatch.setattr(vk, "vkCreateSwapchainKHR", created)
    with Device.open(window=True, validation=True, raytracing=False) as device:
        Swapchain(device, window.handle, window.framebuffer_size).close()
    assert said == [upright] and device.validation_messages == []


@pytest.mark.parametrize("said", ["(65544) b'X11: No display.'", '(65544) b"X11: No display"', "X11: No display."])
def test_words_of_glfw_are_part_of_a_sentence(said: str) -> None:
    assert glfw_words(Exception(said)) == "X11: No display"


def test_drivers_that_show_no_windows_are_no_missing_display(on_screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_objects()
    for answer in (list, _fail):
        with glfw_ready() as glfw, monkeypatch.context() as patch:
            patch.setattr(glfw, "get_required_instance_extensions", answer)
            with pytest.raises(BungyoError, match="show no windows on this display") as caught:
                Device.open(window=True)
        assert "DISPLAY" not in caught.value.hint
    assert live_objects() == before


def test_needs_a_window_system(monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_objects()
    with pytest.raises(BungyoError, match="no display"):
        Device.open(window=True)  # GLFW is not initialised
    assert live_objects() == before
