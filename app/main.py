"""The command `bungyo`: its subcommands, and how anything that goes wrong reaches the person at the keyboard.

Modules that take long to import (GPU, scene, torch) are imported inside the commands that need them, so that
`bungyo --help` answers at once and the demo never loads torch.
"""

import errno
import io
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import click

from app.commands.ablation import ablation
from app.commands.avatar import avatar
from app.commands.bench import bench
from app.commands.dataset import dataset
from app.commands.demo import demo
from app.commands.doctor import doctor
from app.commands.evaluate import evaluate
from app.commands.options import Session, debug_option
from app.commands.render import render
from app.commands.seams import seams
from app.commands.train import train
from app.errors import BungyoError
from app.interruption import INTERRUPTED, signals_as_exceptions

BAD_INPUT, FAILURE = 2, 1
OURS = str(Path(__file__).parent)  # warnings that come from below here are meant for the user


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="bungyo", message="bungyo %(version)s")
@debug_option
def cli() -> None:
    """A face renderer whose skin is drawn by one tiny neural network per kind of 16x16 tile.

    Start with `bungyo demo`; `bungyo doctor` tells what is missing if that fails.
    """


for command in (demo, render, avatar, dataset, train, evaluate, seams, ablation, bench, doctor):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 1 for a failure, 2 for bad input, 130 after Ctrl-C.

    Args:
        arguments: without the program's name; sys.argv's if None.
    """
    session = Session()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files may be no UTF-8: they come out as they are
    with signals_as_exceptions(), warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _shown_by(session)
        return _run(arguments, session)


def _run(arguments: Sequence[str] | None, session: Session) -> int:
    try:
        # Without standalone mode click returns a command's result, and the status of --help and its like.
        status = cli.main(arguments, prog_name="bungyo", standalone_mode=False, obj=session)
        return status if isinstance(status, int) else 0
    except BungyoError as error:
        return _report(session, error.message, error.hint, error.exit_status)
    except click.UsageError as error:
        # A bare `bungyo` is a question, answered with the help page.
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
            return BAD_INPUT
        hint = f"See {error.ctx.command_path} --help." if error.ctx else ""
        return _report(session, _sentence(error.format_message()), hint, BAD_INPUT)
    except click.ClickException as error:
        return _report(session, _sentence(error.format_message()), "", FAILURE)
    except click.Abort as error:
        # click takes an EOFError for Ctrl-D at a prompt. There is none here: it is a file that ends too early.
        if isinstance(error.__cause__, EOFError):
            return _report_unforeseen(session, error.__cause__)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return _report(session, "The computer's memory is not enough for this.", "Try a smaller --size.", FAILURE)
    except ModuleNotFoundError as error:
        # After an update that asks for more than is installed.
        hint = "Install what bungyo needs:  .venv/bin/pip install -c constraints.txt -e ."
        return _report(session, f"The Python package {error.name} is not installed.", hint, FAILURE)
    except OSError as error:
        from app.files import is_full

        if error.errno == errno.ENAMETOOLONG:  # whatever was named: nothing is there
            return _report(session, f"{error.filename}: {error.strerror}.", "", BAD_INPUT)
        if is_full(error):  # of a file without a name: standard output, most likely
            place = error.filename or "what is printed"
            return _report(session, f"The disk is full: no room for {place}.", "", FAILURE)
        return _report_unforeseen(session, error)
    except Exception as error:
        return _report_unforeseen(session, error)


def _report_unforeseen(session: Session, error: BaseException) -> int:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "Run it again with --debug to see where."
    return _report(session, f"Something unforeseen went wrong ({what}).", hint, FAILURE)


def _report(session: Session, message: str, hint: str, status: int) -> int:
    """Say on stderr what is wrong, with the traceback of the error being handled if --debug was given."""
    if session.debug:
        traceback.print_exc()
    click.echo(f"bungyo: error: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    return status


def _sentence(text: str) -> str:
    """Make one line, ending in a full stop, of click's message."""
    text = " ".join(text.split())
    for kind, wanted in (("integer", "whole number"), ("float", "number")):
        for name in (kind, f"{kind} range"):
            text = text.replace(f"is not a valid {name}.", f"is no {wanted}.")
    return text if text.endswith((".", "?", "!")) else text + "."


def _shown_by(session: Session) -> Callable[..., None]:
    """Return a warnings.showwarning: our own warnings as one line, those of libraries only with --debug."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if session.debug:
            click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True, nl=False)
        elif issubclass(category, UserWarning) and filename.startswith(OURS):
            click.echo(f"bungyo: warning: {message}", err=True)

    return show
