"""Lists that Vulkan's functions fill: they are asked first how long it is, then what is in it."""

from collections.abc import Callable, Iterator

from app.gpu.binding import Handle, array, ffi, make
from app.gpu.results import check


def enumerate_all(item: str, action: str, function: Callable[..., int | None], *arguments: Handle) -> Iterator[Handle]:
    """Yield what a Vulkan function lists.

    Args:
        item: C type of an entry, e.g. "VkLayerProperties"; structs live no longer than the iteration.
        action: words the error.
        function: takes `arguments`, a pointer to the number of entries, and one to their place or NULL.
        arguments: those before.

    Raises:
        BungyoError: the driver fails.
    """
    count = ffi.new("uint32_t *")
    check(function(*arguments, count, ffi.NULL) or 0, action)
    is_struct = ffi.typeof(item).kind == "struct"
    cells = array(item, [make(item)] * count[0] if is_struct else count[0])
    check(function(*arguments, count, cells) or 0, action)
    yield from cells[0 : count[0]]
