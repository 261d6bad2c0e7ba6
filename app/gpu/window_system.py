"""What GLFW knows of the display: which extensions its windows need, and which GPUs can draw there.

GLFW is imported where it is used: importing it starts a process that looks for its library, and most commands
need no window.
"""

from contextlib import suppress

from app.errors import BungyoError
from app.gpu.binding import Handle
from app.gpu.selection import NO_WINDOW_HINT, Presents


def window_extensions() -> list[str]:
    """The instance extensions that GLFW's windows need; BungyoError without a window system."""
    import glfw

    names, ready = list[str](), False
    with suppress(glfw.GLFWError):  # where the program made GLFW's errors exceptions
        ready = bool(glfw.get_platform())  # 0 before it is initialised
        names = [str(name) for name in glfw.get_required_instance_extensions()]
    if not names and ready:  # so there is a display
        raise BungyoError("The Vulkan loader and drivers here show no windows on this display.", NO_WINDOW_HINT)
    if not names:
        raise BungyoError("There is no display that Vulkan can draw to.", "Is DISPLAY or WAYLAND_DISPLAY set?")
    return names


def presentation(instance: Handle) -> Presents:
    """What tells whether a physical device of a VkInstance can show images on GLFW's display from a queue family."""
    import glfw

    def presents(physical: Handle, family: int) -> bool:
        try:
            return bool(glfw.get_physical_device_presentation_support(instance, physical, family))
        except glfw.GLFWError:
            return False

    return presents


def on_wayland() -> bool:
    """Whether GLFW, which is initialised, opens windows on Wayland."""
    import glfw

    return bool(glfw.get_platform() == glfw.PLATFORM_WAYLAND)


def glfw_words(error: Exception) -> str:
    """Return what a GLFWError says, without what is around it: "(65544) b'X11: ...'"."""
    text = str(error).partition(") ")[2] or str(error)
    return text.removeprefix("b'").removesuffix("'").removeprefix('b"').removesuffix('"').rstrip(".")
