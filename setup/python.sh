#!/bin/sh
# Makes .venv and installs the pinned Python packages into it; takes a blink when they are there already.
#
#   setup/python.sh run     what `make demo` needs (no torch)
#   setup/python.sh test    that, and the packages to train, lint and test
#
# PYTHON names the interpreter to make .venv from; without it that is python3, or whatever newer one there is, and a .venv
# that is there already stays.
set -eu

need=${1:-run}
cd "$(dirname "$0")/.."
venv=.venv
# There while venv or pip is at work: if they were killed, it stays behind, and with it a .venv not to be trusted.
unfinished=$venv/unfinished

say() {
  echo "bungyo setup: $*"
}

fail() {
  echo "bungyo setup: $*" >&2
  exit 1
}

# What .venv was made for: the declared and pinned packages, and the folder (scripts in .venv name it).
state() {
  { cat pyproject.toml constraints.txt && pwd -P; } | sha256sum | cut -d ' ' -f 1
}

# is_ready KIND: the packages of that kind are installed, and the interpreter below them is still the same.
is_ready() {
  [ ! -e "$unfinished" ] && [ "$(cat "$venv/ready-$1" 2>/dev/null)" = "$(state)" ] &&
    "$venv/bin/python" -c 'import app, click, numpy' 2>/dev/null
}

is_new_python() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# An interpreter was asked for. (make hands on python3 where nobody has.)
is_asked_for() {
  [ "${PYTHON:-python3}" != python3 ]
}

# identity PYTHON: tells an installed Python from another one; virtual environments are what they were made from.
identity() {
  "$1" -c 'import os, sys; print(os.path.realpath(sys.base_exec_prefix), sys.version)' 2>/dev/null
}

find_python() {
  if is_asked_for; then
    is_new_python "$PYTHON" || fail "PYTHON=$PYTHON is not to be found, or no Python of 3.11 or newer"
    echo "$PYTHON"
    return
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_python "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is needed and was not found; name one with  make PYTHON=/path/to/python3"
}

make_venv() {
  python=$(find_python)
  # An activated environment's may be the one in .venv itself, which is about to go: what that was made from stays.
  base=$("$python" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')
  python=${base:-$python}
  say "making $venv with $("$python" --version)"
  rm -rf "$venv"
  mkdir "$venv"
  touch "$unfinished"
  if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    fail "$python cannot make a virtual environment. On Debian:  apt-get install python3-venv"
  fi
}

asked=
if is_asked_for; then
  asked=$(find_python) # ends here if that cannot be had
fi

is_another_python() {
  [ -n "$asked" ] && [ "$(identity "$asked")" != "$(identity "$venv/bin/python")" ]
}

is_done() {
  ! is_another_python && { is_ready test || is_ready "$need"; }
}

# Asked before anything is written: who may only read the folder can use what is there.
if is_done; then
  exit 0
fi
[ -w . ] || fail "$(pwd) cannot be written, and what is needed is not installed in it: clone bungyo to where you may write."

# Both kinds may be asked for at once from two terminals: the second waits, and may find everything done.
if command -v flock >/dev/null 2>&1; then
  mkdir -p build
  exec 9>build/setup.lock
  flock 9
  if is_done; then
    exit 0
  fi
fi

if is_another_python; then
  make_venv
elif [ -e "$unfinished" ]; then
  say "the last installation was interrupted: starting afresh"
  make_venv
elif ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  make_venv
fi

case $need in
  run) target=. ;;
  test) target='.[train,ray,test]' ;;
  *) fail "say run or test, not $need" ;;
esac

# Python compiles modules when they are first imported, and most never are; where it may not, pip has to.
compile=--no-compile
[ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || compile=--compile

say "installing Python packages (the first time takes a minute or two)"
# What the demo needs is still there if the packages for the tests cannot be had.
is_ready run || rm -f "$venv/ready-run"
rm -f "$venv/ready-test" "$venv/pip.log"
touch "$unfinished"
trap 'exit 130' INT # some shells go on after Ctrl-C if pip ends by itself
status=0
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --progress-bar off \
  --log "$venv/pip.log" "$compile" -c constraints.txt -e "$target" || status=$?
if [ "$status" -ne 0 ]; then
  [ "$status" -lt 128 ] || fail "pip was killed (no memory left?); run make again."
  # pip undoes what it could not finish, so what is in .venv can be built upon.
  rm -f "$unfinished"
  if grep -q -E 'NewConnectionError|NameResolutionError|name resolution|ConnectTimeout|Max retries|ReadTimeout' "$venv/pip.log"; then
    fail "the Python package server could not be reached. Check the network (or proxy) and run make again:" \
      "what has been downloaded is kept."
  fi
  fail "pip could not install the packages: its reasons are above, and in full in $venv/pip.log"
fi
# The stamp comes last and in one step: whoever finds it finds everything.
state >"$venv/ready.new"
mv "$venv/ready.new" "$venv/ready-$need"
rm -f "$unfinished" "$venv/pip.log"
