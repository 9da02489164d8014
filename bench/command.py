"""Command lines of the benchmarks: shared options, and one line for an error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qubo_dnn.errors import QuboDnnError

NETWORK_FOLDER = "QUBO_DNN_BENCH_DATA"
NETWORK_FILES = ("resnet_cifar.py", "resnet20.safetensors", "cifar10_calibration.npz", "cifar10_test.npz")

_SHARED: dict[str, dict[str, Any]] = {
    "--seed": {"type": int, "default": 0},
    "--seeds": {"type": int, "nargs": "+", "default": [0, 1, 2]},
    "--json": {"type": Path, "metavar": "FILE", "help": "file to write"},
}


def make_parser(description: str | None, *shared: str) -> argparse.ArgumentParser:
    """A parser with options that several commands have.

    Args:
        description: docstring of the command's module; its lines are kept.
        shared: "--seed", "--seeds", "--json", or "--data", the folder of a network.

    Example:
        >>> make_parser("Time a solver.", "--seed").parse_args(["--seed", "3"])
        Namespace(seed=3)
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in shared:
        if option == "--data":
            add_data_option(parser)
        else:
            parser.add_argument(option, **_SHARED[option])
    return parser


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """The option `--data`: the folder of a network, see `bench.networks.loading.load`."""
    add_folder_option(parser, "--data", NETWORK_FOLDER, ", ".join(NETWORK_FILES), "the zoo's mnist-cnn")


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


def add_page_options(parser: argparse.ArgumentParser, folder: Path) -> None:
    """The options of commands that write a page from results: `--out`, by default `folder`, and `--report-only`."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=folder,
        help="for results.json, README.md and pictures; remarks.md there becomes part of the page",
    )
    parser.add_argument("--report-only", action="store_true", help="run nothing; page and pictures from --out")


def bit_widths_of(text: str) -> tuple[int, ...]:
    """The bit widths in "2,3,4", for an option of a command.

    Example:
        >>> bit_widths_of("0,2,4")
        (0, 2, 4)
    """
    return tuple(int(width) for width in text.split(","))


def finish(main: Callable[[], None]) -> None:
    """Run a command; a fault that was raised on purpose ends it with one line and its exit code."""
    try:
        main()
    except QuboDnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
