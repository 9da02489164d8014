"""`qubo-dnn compile-kernels`: compile all kernels once, so that no later command has to."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def compile_kernels(
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Processes that compile at a time; default: one for every core."),
    ] = None,
) -> None:
    """Compile the kernels of all local backends ahead of time; else each is compiled when it is first used."""
    from numba.core import config

    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.kernel_cache import KINDS, compile_kernels

    with ConsoleReporter() as reporter:
        reporter.stage("compile kernels")
        for done, total in compile_kernels(processes or os.cpu_count() or 1):
            reporter.progress(done, total)
    typer.echo(f"compiled for {', '.join(KINDS)}")
    # Numba goes elsewhere where it may not write beside the sources.
    typer.echo(f"kept in {config.CACHE_DIR or '__pycache__ beside the sources, or in the cache of the user'}")
