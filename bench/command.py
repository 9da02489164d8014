"""What the benchmarks' commands share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from qubo_dnn.errors import QuboDnnError


def add_folder_option(
    parser: argparse.ArgumentParser, option: str, variable: str, content: str, otherwise: str
) -> None:
    """An option that takes a folder.

    Args:
        parser: gets it.
        option: its name, with dashes.
        variable: of the environment; its value is the default.
        content: what the folder holds.
        otherwise: what is taken without a folder.
    """
    given = os.environ.get(variable)
    parser.add_argument(
        option,
        type=Path,
        default=Path(given) if given else None,
        metavar="DIR",
        help=f"folder of {content} (default: ${variable}, or else {otherwise})",
    )


def finish(main: Callable[[], None]) -> None:
    """Run a command; a fault that was raised on purpose ends it with one line and its exit code."""
    try:
        main()
    except QuboDnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
