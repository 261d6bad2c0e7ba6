#!/bin/sh
# Installs the Debian packages bungyo needs, and only those that are missing. Takes a blink when none is.
#
#   setup/system.sh run     what `make demo` needs
#   setup/system.sh test    that, and what `make test` needs
#
# PYTHON names the interpreter the virtual environment will be made from (python3).
set -eu

need=${1:-run}
here=$(dirname "$0")
python=${PYTHON:-python3}

# The Vulkan loader and Mesa's drivers (lavapipe, the CPU one, among them), and what GLFW loads to open a window.
run_packages="libvulkan1 mesa-vulkan-drivers
  libx11-6 libx11-xcb1 libxcursor1 libxext6 libxi6 libxinerama1 libxrandr2 libxrender1 libxxf86vm1
  libwayland-client0 libwayland-cursor0 libwayland-egl1 libxkbcommon0"
# The tests check every Vulkan call, and drive a real window in a virtual screen.
test_packages="vulkan-validationlayers xvfb xdotool"
# They draw with another driver, too: SwiftShader, which Debian has with Chromium. The loader does not find it by itself.
if grep -q '^ID=debian' /etc/os-release; then
  test_packages="$test_packages chromium-common"
fi
# The first Mesa whose CPU driver traces rays. Debian 13 has it; for Debian 12 it is in bookworm-backports.
mesa_needed=25
backports_list=/etc/apt/sources.list.d/bungyo-bookworm-backports.sources

say() {
  echo "bungyo setup: $*"
}

fail() {
  echo "bungyo setup: $*" >&2
  exit 1
}

# installed_version PACKAGE: its version, or nothing.
installed_version() {
  dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p' | head -n 1
}

is_new_mesa() {
  [ -n "$1" ] && dpkg --compare-versions "$1" ge "$mesa_needed"
}

has_nvidia_driver() {
  [ -e /proc/driver/nvidia/version ]
}

# as_root COMMAND...: runs it with the rights apt needs, or says what somebody with those rights has to run.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    fail "this needs root, and there is no sudo here. As root, run:  $*"
  fi
}

# apt ARGUMENTS...: apt-get without questions and without its page of progress; what goes wrong stays visible.
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

# suite_of_new_mesa: the suite apt would take a new enough Mesa from; "default" if it would without being asked.
suite_of_new_mesa() {
  candidate=$(LC_ALL=C apt-cache policy mesa-vulkan-drivers | sed -n 's/^ *Candidate: //p') # a word that is translated
  if is_new_mesa "${candidate#(none)}"; then
    echo default
    return
  fi
  apt-cache madison mesa-vulkan-drivers | while IFS='|' read -r _ version source; do
    version=$(echo "$version" | tr -d ' ')
    if is_new_mesa "$version"; then
      echo "$source" | awk '{ sub("/.*", "", $2); print $2 }'
      break
    fi
  done
}

add_backports() {
  say "adding bookworm-backports to apt's sources ($backports_list): Debian 12's own Mesa cannot trace rays"
  entry="Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
  echo "$entry" | as_root tee "$backports_list" >/dev/null
  if ! apt update; then
    as_root rm -f "$backports_list"
    return 1
  fi
}

install_mesa() {
  suite=$(suite_of_new_mesa)
  if [ -z "$suite" ] && grep -q '^VERSION_CODENAME=bookworm' /etc/os-release && [ ! -e "$backports_list" ]; then
    add_backports || true
    suite=$(suite_of_new_mesa)
  fi
  case $suite in
    '') return 1 ;;
    default) apt install -y --no-install-recommends mesa-vulkan-drivers ;;
    *) apt install -y --no-install-recommends -t "$suite" mesa-vulkan-drivers ;;
  esac
}

# Another distribution: its packages have other names, so name what is needed and let the loader decide.
without_apt() {
  if ! ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; then
    fail "this is not Debian and there is no Vulkan loader (libvulkan.so.1). Install your distribution's Vulkan" \
      "loader, Mesa $mesa_needed or newer with its Vulkan drivers, and the X11 client libraries; then run make again."
  fi
  if [ "$need" = test ]; then
    for tool in Xvfb xdotool; do
      command -v "$tool" >/dev/null 2>&1 || fail "this is not Debian: install $tool for the tests, then run make again."
    done
  fi
}

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
  without_apt
  exit 0
fi

wanted=$run_packages
if [ "$need" = test ]; then
  wanted="$wanted $test_packages"
fi
missing=
for package in $wanted; do
  [ -n "$(installed_version "$package")" ] || missing="$missing $package"
done
# Debian splits `venv` off its Python; an interpreter from elsewhere brings its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && [ -z "$(installed_version python3-venv)" ]; then
  missing="$missing python3-venv"
fi
new_mesa_missing=
if ! is_new_mesa "$(installed_version mesa-vulkan-drivers)"; then
  new_mesa_missing=yes
  missing=$(echo " $missing " | sed 's/ mesa-vulkan-drivers / /')
fi
# shellcheck disable=SC2086 # a list of words
set -- $missing
if [ $# -eq 0 ] && [ -z "$new_mesa_missing" ]; then
  exit 0
fi
# With a GPU's own driver at hand an old Mesa is a pity, not an obstacle: do not ask for a password for it every time.
if [ $# -eq 0 ] && has_nvidia_driver && [ -n "$(installed_version mesa-vulkan-drivers)" ]; then
  exit 0
fi

if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
  [ -z "$new_mesa_missing" ] || set -- "$@" "mesa-vulkan-drivers (>= $mesa_needed)"
  fail "Debian packages are missing, and there is no sudo here: $*." \
    "As root, run:  '$(cd "$here" && pwd)/system.sh' $need"
fi

say "installing Debian packages: $* ${new_mesa_missing:+mesa-vulkan-drivers (>= $mesa_needed)}"
# A package server that does not answer shows in the installation, with a better message than here.
apt update || true
if [ $# -gt 0 ]; then
  apt install -y --no-install-recommends "$@" ||
    fail "apt could not install $*: see its lines above (no network? another apt at work?), then run make again."
fi
if [ -n "$new_mesa_missing" ] && ! install_mesa; then
  has_nvidia_driver ||
    fail "apt offers no mesa-vulkan-drivers >= $mesa_needed, the first whose CPU driver traces rays. Is the network" \
      "up? On Debian 12 it comes from bookworm-backports, on Debian 13 from trixie itself."
  say "apt offers no mesa-vulkan-drivers >= $mesa_needed; going on with the GPU's own driver."
fi
