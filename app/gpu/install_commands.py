"""Commands that install what Vulkan needs on Debian, for errors and for `bungyo doctor`."""

APT = "sudo apt-get install"
INSTALL_LOADER = f"{APT} libvulkan1"
INSTALL_DRIVER = f"{APT} mesa-vulkan-drivers"
INSTALL_LOADER_AND_DRIVER = f"{APT} libvulkan1 mesa-vulkan-drivers"
INSTALL_VALIDATION = f"{APT} vulkan-validationlayers"

RAY_TRACING_MESA = 25  # the first whose CPU driver traces rays
INSTALL_DRIVER_ON_BOOKWORM = f"{APT} -t bookworm-backports mesa-vulkan-drivers"  # its own Mesa is older
