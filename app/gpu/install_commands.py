"""What installs what Vulkan needs: commands on Debian, for errors and for `bungyo doctor`."""

import shutil


def apt_command(packages: str) -> str:
    """The command that installs these packages of Debian, or what stands for it where there is no apt."""
    if shutil.which("apt-get"):
        return f"sudo apt-get install {packages}"
    return f"your package manager ({packages} on Debian)"


INSTALL_LOADER = apt_command("libvulkan1")
INSTALL_DRIVER = apt_command("mesa-vulkan-drivers")
INSTALL_LOADER_AND_DRIVER = apt_command("libvulkan1 mesa-vulkan-drivers")
INSTALL_VALIDATION = apt_command("vulkan-validationlayers")

RAY_TRACING_MESA = 25  # the first whose CPU driver traces rays
# Debian 12's own Mesa is older.
INSTALL_DRIVER_ON_BOOKWORM = "sudo apt-get install -t bookworm-backports mesa-vulkan-drivers"
