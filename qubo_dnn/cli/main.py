"""The `qubo-dnn` command: one sub-command per module; each kind of failure has one readable line and an exit code.

Help has to be quick, so modules of this package import only the standard library and typer at their top, and
whatever is heavy inside the commands' bodies.

Exit codes: 0 success, 1 an unexpected fault or a closed output pipe, 2 a malformed command line, 130 an
interrupt, and those of `qubo_dnn.errors`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from qubo_dnn.cli import backends, formulations
from qubo_dnn.cli.apply import apply
from qubo_dnn.cli.common.command_line import remember_words
from qubo_dnn.cli.common.output import print_lines
from qubo_dnn.cli.compare import compare
from qubo_dnn.cli.compile_kernels import compile_kernels
from qubo_dnn.cli.compress import compress
from qubo_dnn.cli.convert import convert
from qubo_dnn.cli.doctor import doctor
from qubo_dnn.cli.embed import embed
from qubo_dnn.cli.export import export
from qubo_dnn.cli.inspect import inspect
from qubo_dnn.cli.profile import profile
from qubo_dnn.cli.solve import solve
from qubo_dnn.cli.sweep import sweep
from qubo_dnn.errors import QuboDnnError

INTERRUPTED = 130
DEBUG = "QUBO_DNN_DEBUG"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(backends.app, name="backends")
app.add_typer(formulations.app, name="formulations")
app.command()(compress)
app.command()(sweep)
app.command()(apply)
app.command()(export)
app.command()(inspect)
app.command()(profile)
app.command()(solve)
app.command()(compare)
app.command()(convert)
app.command()(embed)
app.command()(doctor)
app.command()(compile_kernels)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"qubo-dnn {version('qubo-dnn')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Formulate once as a QUBO, sample with any backend, and compress neural networks with it."""


def run() -> NoReturn:
    """Entry point of the installed command."""
    # Importing makes much that stays and no garbage; looking for it would take a twentieth of a short command's time.
    gc.set_threshold(10_000)
    code = main()
    # Whatever is left goes with the process; looking for garbage in it would take a tenth of a second.
    gc.freeze()
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: words after the program's name; None takes them from `sys.argv`.

    Returns:
        The exit code. Nothing is raised, except for an unexpected fault while QUBO_DNN_DEBUG is set.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file's name or a label may have characters that a terminal cannot show; they are escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left, as `head` does. What is still buffered must not raise again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except QuboDnnError as error:
        _complain(f"error: {error}")
        return error.exit_code
    except Exception as fault:  # the outermost frame: here a bug becomes a readable line
        if os.environ.get(DEBUG):
            raise
        _complain(f"internal error: {type(fault).__name__}: {fault} (set {DEBUG}=1 to see the traceback)")
        return 1
    if code == INTERRUPTED:
        _complain("interrupted")
    return code


def _dispatch(arguments: Sequence[str] | None) -> int:
    """Parse and run a command; typer reports malformed command lines and ends with `SystemExit`."""
    try:
        # Not `app(...)`: that would replace `sys.excepthook`.
        words = sys.argv[1:] if arguments is None else arguments
        remember_words(words)
        _command()(args=words, prog_name="qubo-dnn")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


@cache
def _command() -> Callable[..., object]:
    """Return the parser of command lines. It is built once, which takes longer than many commands."""
    return get_command(app)


def _complain(message: str) -> None:
    """Print a message on stderr as one line, without the line breaks of a cause's text."""
    print_lines(" ".join(message.split()), err=True)


if __name__ == "__main__":
    run()
