"""The setup scripts on machines they have never seen: every tool they call is a stand-in or left out."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "sed", "head", "grep", "awk", "tr", "cat", "cut", "dirname", "mkdir", "rm", "touch", "sha256sum")
SYSTEM = ROOT / "setup" / "system.sh"


class Machine:
    """A folder of programs that is all a script finds; `calls` are the commands the stand-ins were given."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "calls.log"
        (folder / "bin").mkdir(parents=True)
        for name in TOOLS:
            self.has(name)
        self.stand_in("python3", "exit 0")
        self.stand_in("id", "echo 0")

    def has(self, name: str) -> None:
        """The real program is there."""
        path = shutil.which(name)
        assert path, name
        (self._folder / "bin" / name).symlink_to(path)

    def stand_in(self, name: str, script: str) -> None:
        """A program that notes how it was called and runs `script`."""
        path = self._folder / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._log}\n{script}\n')
        path.chmod(0o755)

    def runs(
        self,
        script: Path,
        *arguments: str,
        python: str | None = None,
        before: Path | None = None,
        shell: str = "/bin/sh",
    ) -> tuple[int, str]:
        """Exit status and everything said; `python`: what PYTHON names, `before`: a folder in front of PATH."""
        asked = {} if python is None else {"PYTHON": python}
        folders = [*filter(None, [before]), self._folder / "bin"]
        result = subprocess.run(
            [shell, str(script), *arguments],
            env={"PATH": ":".join(map(str, folders)), "HOME": str(self._folder), **asked},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which jobs in the background ignore
        )
        return result.returncode, result.stdout

    @property
    def calls(self) -> str:
        """What the stand-ins were called with, a line each."""
        return self._log.read_text() if self._log.exists() else ""


@pytest.fixture
def debian(tmp_path: Path) -> Machine:
    """A Debian on which everything is installed."""
    machine = Machine(tmp_path)
    # Version comparison needs no Debian: whether the part before the first dot is 25 or more decides here.
    machine.stand_in("dpkg", '[ "${2%%.*}" -ge "$4" ]')
    machine.stand_in("dpkg-query", "echo installed 25.0.7-2")
    machine.stand_in("apt-get", "exit 0")
    machine.stand_in("apt-cache", "exit 0")
    machine.has("env")
    return machine


def installed(machine: Machine, **versions: str) -> None:
    """Let dpkg-query know other versions ("" means absent) of some packages; _ in a name stands for -."""
    cases = "\n".join(
        f"*{name.replace('_', '-')}) {f'echo installed {version}' if version else 'exit 1'};;"
        for name, version in versions.items()
    )
    machine.stand_in("dpkg-query", f'case "$*" in\n{cases}\n*) echo installed 25.0.7-2;; esac')


@pytest.mark.parametrize("kind", ["run", "test"])
def test_nothing_is_missing(kind: str, debian: Machine) -> None:
    assert debian.runs(SYSTEM, kind) == (0, "")
    assert "apt-get" not in debian.calls


def test_only_what_is_missing_is_installed(debian: Machine) -> None:
    installed(debian, libxi6="", xdotool="")
    status, _ = debian.runs(SYSTEM, "run")
    assert status == 0
    assert [line.split()[-1] for line in debian.calls.splitlines() if " install " in line] == ["libxi6"]
    status, said = debian.runs(SYSTEM, "test")
    assert status == 0
    assert "installing Debian packages: libxi6 xdotool" in said


def test_without_root_and_sudo_it_says_what_to_run(debian: Machine) -> None:
    debian.stand_in("id", "echo 1000")
    installed(debian, xvfb="", mesa_vulkan_drivers="22.3.6-1")
    status, said = debian.runs(SYSTEM, "test")
    assert status == 1
    assert "Debian packages are missing, and there is no sudo here: xvfb mesa-vulkan-drivers (>= 25)." in said
    assert f"As root, run:  '{SYSTEM}' test" in said  # which adds backports where they are needed, unlike apt by itself
    assert "apt-get" not in debian.calls


def test_with_sudo_it_uses_it(debian: Machine) -> None:
    debian.stand_in("id", "echo 1000")
    debian.stand_in("sudo", '"$@"')
    installed(debian, xvfb="")
    assert debian.runs(SYSTEM, "test")[0] == 0
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get" in debian.calls


def test_new_mesa_comes_from_the_suite_that_has_it(debian: Machine) -> None:
    installed(debian, mesa_vulkan_drivers="22.3.6-1")
    debian.stand_in(
        "apt-cache",
        'if [ "$1" = policy ]; then echo "  Candidate: 22.3.6-1"; else\n'
        'echo "mesa-vulkan-drivers | 25.0.7-2~bpo12+1 | http://deb some-backports/main amd64 Packages"\n'
        'echo "mesa-vulkan-drivers | 22.3.6-1 | http://deb bookworm/main amd64 Packages"; fi',
    )
    assert debian.runs(SYSTEM, "run")[0] == 0
    last = debian.calls.splitlines()[-1]
    assert last.endswith("install -y --no-install-recommends -t some-backports mesa-vulkan-drivers")


def test_new_mesa_is_found_in_any_language(debian: Machine) -> None:
    installed(debian, mesa_vulkan_drivers="22.3.6-1")
    debian.stand_in(
        "apt-cache",
        'case "$1 ${LC_ALL:-de_DE}" in "policy C") echo "  Candidate: 25.0.7-2";;\n'
        'policy*) echo "  Installationskandidat: 25.0.7-2";;\n'
        '*) echo "mesa-vulkan-drivers | 25.0.7-2 | http://deb trixie/main amd64 Packages";; esac',
    )
    assert debian.runs(SYSTEM, "run")[0] == 0
    assert debian.calls.splitlines()[-1].endswith("install -y --no-install-recommends mesa-vulkan-drivers")


def test_an_interpreter_that_has_no_venv_is_not_installed_for_over_and_over(debian: Machine) -> None:
    """Debian's python3-venv does not help an interpreter from elsewhere, or one whose name is mistyped."""
    assert debian.runs(SYSTEM, "run", python="python3.99") == (0, "")
    assert "apt-get" not in debian.calls
    installed(debian, python3_venv="")
    debian.stand_in("python3", "exit 1")
    status, said = debian.runs(SYSTEM, "run")
    assert status == 0
    assert "installing Debian packages: python3-venv" in said


def test_failing_apt(debian: Machine) -> None:
    installed(debian, libxi6="")
    debian.stand_in("apt-get", "exit 100")
    status, said = debian.runs(SYSTEM, "run")
    assert status == 1
    assert "apt could not install libxi6" in said


def test_other_distributions(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.stand_in("ldconfig", "exit 0")
    status, said = machine.runs(SYSTEM, "run")
    assert status == 1
    assert "no Vulkan loader" in said
    machine.stand_in("ldconfig", 'echo "	libvulkan.so.1 (libc6,x86-64) => /usr/lib/libvulkan.so.1"')
    assert machine.runs(SYSTEM, "run") == (0, "")
    status, said = machine.runs(SYSTEM, "test")
    assert status == 1
    assert "install Xvfb for the tests" in said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what python.sh reads; its path."""
    folder = tmp_path / "project"
    (folder / "setup").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "setup/python.sh"):
        shutil.copy(ROOT / name, folder / name)
    return folder / "setup" / "python.sh"


# Stands in for `python3 -m venv .venv`: the interpreter it makes plays pip, too.
MAKES_VENV = """
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin; cat > .venv/bin/python <<'END'
#!/bin/sh
case "$*" in
  *"-m pip install"*) PIP ;;
esac
END
  chmod 755 .venv/bin/python ;;
  --version) echo Python 3.12.0 ;;
esac
"""


def pip_machine(folder: Path, pip: str) -> Machine:
    """A machine whose pip runs the shell commands `pip`."""
    machine = Machine(folder)
    for name in ("mv", "chmod"):
        machine.has(name)
    machine.stand_in("python3", MAKES_VENV.replace("PIP", pip))
    return machine


def test_packages_are_installed_once(project: Path, tmp_path: Path) -> None:
    machine = pip_machine(tmp_path / "machine", 'echo "PIP $*"')
    status, said = machine.runs(project, "run")
    assert status == 0
    assert "-c constraints.txt -e ." in said
    assert "[train" not in said
    assert machine.runs(project, "run") == (0, "")
    status, said = machine.runs(project, "test")
    assert status == 0
    assert "-e .[train,ray,test]" in said
    assert machine.runs(project, "run") == machine.runs(project, "test") == (0, "")
    (project.parents[1] / "constraints.txt").write_text("numpy==2.4.6\n")
    assert "installing Python packages" in machine.runs(project, "run")[1]


def test_an_interrupted_installation_starts_afresh(project: Path, tmp_path: Path) -> None:
    machine = pip_machine(tmp_path / "machine", "kill -9 $PPID")
    status, _ = machine.runs(project, "run")
    assert status != 0
    (project.parents[1] / ".venv" / "half").touch()
    machine.stand_in("python3", MAKES_VENV.replace("PIP", "exit 0"))
    status, said = machine.runs(project, "run")
    assert status == 0
    assert "the last installation was interrupted" in said
    assert not (project.parents[1] / ".venv" / "half").exists()


@pytest.mark.parametrize("killed", ["pip", "venv"])
def test_what_was_killed_is_not_built_upon(killed: str, project: Path, tmp_path: Path) -> None:
    """A .venv that venv did not finish has a pip that works, but no `activate`."""
    machine = pip_machine(tmp_path / "machine", "kill -9 $$" if killed == "pip" else "exit 0")
    if killed == "venv":
        machine.stand_in("python3", MAKES_VENV.replace("bin/python ;;", "bin/python; kill -9 $PPID ;;"))
    status, said = machine.runs(project, "run")
    assert status != 0 and "could not install" not in said
    (project.parents[1] / ".venv" / "half").touch()
    machine.stand_in("python3", MAKES_VENV.replace("PIP", "exit 0"))
    status, said = machine.runs(project, "run")
    assert status == 0 and "the last installation was interrupted" in said
    assert not (project.parents[1] / ".venv" / "half").exists()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_ctrl_c_leaves_nothing_to_build_upon(shell: str, project: Path, tmp_path: Path) -> None:
    """pip ends by itself then, after which bash goes on; elsewhere than on Debian that is sh."""
    machine = pip_machine(tmp_path / "machine", "kill -INT $PPID; exit 1")
    path = shutil.which(shell)
    assert path, shell
    status, said = machine.runs(project, "run", shell=path)
    assert status != 0 and "could not install" not in said
    machine.stand_in("python3", MAKES_VENV.replace("PIP", "exit 0"))
    assert "the last installation was interrupted" in machine.runs(project, "run")[1]


def test_packages_for_the_tests_that_cannot_be_had_take_none_of_the_demo_away(project: Path, tmp_path: Path) -> None:
    """Without a network nothing could be installed again."""
    machine = pip_machine(tmp_path / "machine", 'case "$*" in *test]) exit 1 ;; esac')
    assert machine.runs(project, "run")[0] == 0
    assert machine.runs(project, "test")[0] == 1
    assert machine.runs(project, "run") == (0, "")
    assert machine.runs(project, "test")[0] == 1


def test_who_may_only_read_uses_what_is_installed(project: Path, tmp_path: Path) -> None:
    """The lock's place is taken, as root, who runs tests in containers, may write everywhere."""
    machine = pip_machine(tmp_path / "machine", "exit 0")
    machine.has("flock")
    assert machine.runs(project, "run")[0] == 0
    lock = project.parents[1] / "build" / "setup.lock"
    lock.unlink()
    lock.mkdir()
    assert machine.runs(project, "run") == (0, "")


def test_an_activated_environment_is_made_anew_from_what_it_was_made_from(project: Path, tmp_path: Path) -> None:
    """Its python3 is the first in PATH, and gone when the new one is made; the next one may be too old."""
    machine = pip_machine(tmp_path / "machine", "exit 0")
    machine.stand_in("python3", "exit 1")
    machine.stand_in("python3.12", MAKES_VENV.replace("PIP", "exit 0"))
    active = project.parents[1] / ".venv" / "bin"
    active.mkdir(parents=True)
    base = shutil.which("python3.12", path=tmp_path / "machine" / "bin")
    (active / "python3").write_text(f'#!/bin/sh\ncase "$*" in *_base_executable*) echo "{base}" ;; esac\n')
    (active / "python3").chmod(0o755)
    status, said = machine.runs(project, "run", before=active)
    assert (status, said.splitlines()[0]) == (0, "bungyo setup: making .venv with Python 3.12.0")


def test_unreachable_package_server(project: Path, tmp_path: Path) -> None:
    pip = 'echo "NewConnectionError: Temporary failure in name resolution" > .venv/pip.log; exit 1'
    machine = pip_machine(tmp_path / "machine", pip)
    status, said = machine.runs(project, "run")
    assert status == 1
    assert "the Python package server could not be reached" in said
    machine.stand_in("python3", MAKES_VENV.replace("PIP", "exit 1"))
    shutil.rmtree(project.parents[1] / ".venv")
    status, said = machine.runs(project, "run")
    assert status == 1
    assert "pip could not install the packages" in said


def test_another_interpreter_makes_another_venv(project: Path, tmp_path: Path) -> None:
    """One that is asked for; without it, what is there stays. The stand-ins say who they are where they are asked."""
    machine = pip_machine(tmp_path / "machine", "exit 0")
    for name in ("python3", "python3.12"):
        who = f"*base_exec_prefix*) echo {name} ;;\n"
        script = MAKES_VENV.replace("PIP", "exit 0").replace("esac\nEND", f"{who}esac\nEND")
        machine.stand_in(name, script.replace("--version)", f"{who}--version)"))
    made = project.parents[1] / ".venv" / "made"
    assert machine.runs(project, "run")[0] == 0
    made.touch()
    assert machine.runs(project, "run", python="python3") == (0, "")
    assert made.exists()
    status, said = machine.runs(project, "run", python="python3.12")
    assert status == 0
    assert "making .venv" in said and not made.exists()
    made.touch()
    assert machine.runs(project, "run", python="python3.12") == machine.runs(project, "run") == (0, "")
    status, said = machine.runs(project, "run", python="python3.99")
    assert status == 1
    assert "PYTHON=python3.99 is not to be found, or no Python of 3.11 or newer" in said
    assert made.exists()


def test_too_old_a_python(project: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    machine.stand_in("python3", "exit 1")
    status, said = machine.runs(project, "run")
    assert status == 1
    assert "Python 3.11 or newer is needed" in said
