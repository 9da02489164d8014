"""Print results on stdout: aligned tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.support.printable import printable

AsJson = Annotated[bool, arguments.output_option("--json", help="Print JSON instead of a table.")]

# Wide enough that a table sent to a file or a pipe is never wrapped or cut.
PIPE_WIDTH = 10_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column titles, fitted to the terminal; lines to a pipe are never wrapped.

    Args:
        columns: titles, left to right.
        rows: one value per column each; None is shown as "-". What a terminal would obey is escaped.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*map(printable, columns), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*("-" if value is None else printable(str(value)) for value in row))
    # Markup is off because texts such as "qubo-dnn[torch]" would lose their brackets, and ":x:" is no picture.
    console = Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table)


def print_lines(*lines: str, err: bool = False) -> None:
    """Print lines, in which what a terminal would obey is escaped; one without text is an empty line.

    Args:
        lines: without line breaks.
        err: print on stderr.
    """
    typer.echo("\n".join(map(printable, lines)), err=err)


def print_json(data: Any) -> None:
    """Print `data` as one indented JSON document."""
    typer.echo(json.dumps(data, indent=2))


def write_json(path: Path, data: Any) -> None:
    """Write `data` as one indented JSON document, whole or not at all; `-` is the standard output.

    Raises:
        OutputError: it cannot be written.
    """
    if str(path) == "-":
        print_json(data)
        return
    from qubo_dnn.files.common.output import write_atomically

    write_atomically(path, (json.dumps(data, indent=2) + "\n").encode())
