"""`qubo-dnn convert`: convert a model from one file format to another, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.common.arguments import say
from qubo_dnn.cli.common.output import AsJson


def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="File of a model, or of an instance.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; .gz compresses it.", show_default=False)],
    from_format: Annotated[
        str | None,
        typer.Option("--from", "--format", metavar="NAME", help="Format of IN (default: by its name or content)."),
    ] = None,
    to_format: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Format of OUT (default: by its name).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Convert a model, and check it by reading it back; refuse what OUT's format cannot represent.

    A program without constraints and integers is a QUBO, and can be written as one. A format that cannot say that a
    model is maximised gets minus its objective, and you are told. Of an instance of a problem, such as a graph, the
    model that its formulation makes is written: with penalties where their weights are known, else as a program with
    constraints.
    """
    from qubo_dnn.cli.common.output import print_json, print_lines
    from qubo_dnn.files.common.model import ConstrainedModel, Model, as_model, minimised
    from qubo_dnn.files.formats import writable, write_model
    from qubo_dnn.loading import load_model

    value = load_model(source, from_format, say)
    for note in value.notes if isinstance(value, ConstrainedModel) else ():
        print_lines(f"{source}: {note}", err=True)
    plain = as_model(value) if isinstance(value, ConstrainedModel) else value
    found = writable(out, to_format)
    if found.minimised and plain is not None and plain.sense == "max":
        value = minimised(plain)
        print_lines(f"{out}: {found.name} files hold models to be minimised, so it holds minus the objective", err=True)
    write_model(value, out, to_format)
    objective = value.bqm if isinstance(value, Model) else value.cqm.objective
    figures = {
        "variables": len(objective.variables if isinstance(value, Model) else value.cqm.variables),
        "interactions": objective.num_interactions,
        "constraints": 0 if isinstance(value, Model) else len(value.cqm.constraints),
        "sense": value.sense,
        "bytes": out.stat().st_size,
    }
    if as_json:
        print_json(figures)
    else:
        print_lines(f"{out}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
