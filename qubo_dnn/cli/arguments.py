"""Arguments and options that several commands share, and what is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.loading import LoadedProblem

SOURCE_HELP = "FILE, FORMULATION:FILE, or FORMULATION (its example, or all of it in --parameter)."
SourceArgument = Annotated[str, typer.Argument(metavar="FILE|FORMULATION[:FILE]", help=SOURCE_HELP, show_default=False)]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="name=value for the formulation; repeatable.")
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Of the file, whatever its name (default: by its name, or guessed).")
]
SenseOption = Annotated[str | None, typer.Option(help="min or max, for a model whose file does not say.")]
IntegersOption = Annotated[
    str, typer.Option(help="Encoding of integers: binary, bounded-coefficient:N, unary, one-hot or domain-wall.")
]
InequalitiesOption = Annotated[
    str, typer.Option(help="lagrangian, slack, slack:ENCODING or unbalanced, for backends that do not keep them.")
]
PresolveOption = Annotated[bool, typer.Option(help="Fix variables and take components apart first.")]
CertifyOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Prove how far the answer is from the optimum, at most.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is the standard output.")
]
TARGET_HELP = "pegasus:16, zephyr:15, chimera:16, or a JSON file of a solver's properties."


def assignments(option: str, words: Sequence[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """`name=value` words as a mapping, together with values that have a flag of their own.

    Args:
        option: for messages.
        words: as typed; None: none.
        flags: name to value; None stands for "not given".

    Raises:
        OptionError: a word is not of that form, or a name occurs twice.
    """
    values = {name: value for name, value in flags.items() if value is not None}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise OptionError(f"{option} takes name=value, not {word!r}")
        if name in values:
            raise OptionError(f"{option}: {name!r} is given twice")
        values[name] = value
    return values


def load(
    source: str,
    parameter: list[str] | None,
    format_name: str | None,
    sense: str | None,
    integers: str,
    seed: int,
) -> LoadedProblem:
    """See `qubo_dnn.loading.load_problem`, with options as they are typed; a guessed format is said on stderr.

    Raises:
        OptionError: an option is malformed or does not apply.
    """
    from qubo_dnn.loading import load_problem

    if sense not in (None, "min", "max"):
        raise OptionError(f"--sense takes min or max, not {sense!r}")
    return load_problem(
        source,
        assignments("--parameter", parameter, {}),
        format_name=format_name,
        sense=cast(Literal["min", "max"] | None, sense),
        integers=integers,
        seed=seed,
        say=say,
    )


def say(line: str) -> None:
    """Print a line on stderr."""
    typer.echo(line, err=True)
