"""`qubo-dnn convert`: models from one file format to another, without loss or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.arguments import say
from qubo_dnn.cli.output import AsJson


def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="A model, or an instance of a problem.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Gzipped where it ends in .gz.", show_default=False)],
    from_format: Annotated[
        str | None, typer.Option("--from", "--format", help="Format of IN (default: by its name, or guessed).")
    ] = None,
    to_format: Annotated[str | None, typer.Option("--to", help="Format of OUT (default: by its name).")] = None,
    as_json: AsJson = False,
) -> None:
    """Convert a model, and check it by reading it back; what OUT's format cannot carry is refused.

    Of an instance of a problem, such as a graph, the model that its formulation makes is written: with penalties where
    their weights are known, else as a program with constraints.
    """
    from qubo_dnn.cli.output import print_json
    from qubo_dnn.files.formats import write_model
    from qubo_dnn.files.model import Model
    from qubo_dnn.loading import load_model

    value = load_model(source, from_format, say)
    write_model(value, out, to_format)
    model = value.bqm if isinstance(value, Model) else value.cqm
    figures = {
        "variables": len(model.variables),
        "interactions": model.num_interactions if isinstance(value, Model) else model.num_quadratic_variables(),
        "constraints": 0 if isinstance(value, Model) else len(model.constraints),
        "sense": value.sense,
        "bytes": out.stat().st_size,
    }
    if as_json:
        print_json(figures)
    else:
        typer.echo(f"{out}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
