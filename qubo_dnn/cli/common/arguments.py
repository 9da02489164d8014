"""Arguments and options that several commands share, and their interpretation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.cluster.dask_cluster import DaskCluster
    from qubo_dnn.loading import LoadedArrays, LoadedProblem

# Options in the panels of the help that several commands have.
data_option = partial(typer.Option, rich_help_panel="Network and data")
problem_option = partial(typer.Option, rich_help_panel="Problem")
solver_option = partial(typer.Option, rich_help_panel="Solver")
output_option = partial(typer.Option, rich_help_panel="Output")

SOURCE_HELP = (
    "FILE, FORMULATION:FILE, FORMULATION (with all data in --parameter, or its example), or FILE.py:FUNCTION that "
    "returns a model."
)
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)]


def _complete_backend(typed: str) -> list[str]:
    """Complete the name of a backend in a shell."""
    from qubo_dnn.registry import list_backends

    return [name for name in list_backends() if name.startswith(typed)]


BackendOption = Annotated[
    str, solver_option(metavar="NAME", help="Backend, see `qubo-dnn backends list`.", autocompletion=_complete_backend)
]
DefaultBackendOption = Annotated[
    str | None,
    solver_option(
        "--backend",
        metavar="NAME",
        help="Backend of every problem, see `qubo-dnn backends list` (default: pt, and no backend where no two units "
        "interact and all budgets are linear, which is solved directly).",
        autocompletion=_complete_backend,
    ),
]
OptionOption = Annotated[
    list[str] | None, solver_option("--option", "-o", metavar="NAME=VALUE", help="Option of the backend; repeatable.")
]
SeedOption = Annotated[int, solver_option(metavar="N", min=0, max=2**32 - 1, help="Random seed.")]
ClusterOption = Annotated[
    str | None,
    solver_option(
        "--cluster",
        metavar="WORKERS",
        help="Workers of Dask: local:N, N processes on this machine, or the address of a scheduler, tcp://host:8786.",
    ),
]
PortfolioOption = Annotated[
    int | None,
    solver_option(
        "--portfolio",
        metavar="N",
        min=1,
        help="Number of runs of the backend with different seeds, of which the best counts; on the workers of "
        "--cluster if there are any. Several backends take turns: --backend pt+tabu.",
    ),
]
ParameterOption = Annotated[
    list[str] | None,
    problem_option("--parameter", "-p", metavar="NAME=VALUE", help="Parameter of the formulation; repeatable."),
]
FormatOption = Annotated[
    str | None,
    problem_option("--format", metavar="NAME", help="Format of the file (default: determined by its name or content)."),
]
SenseOption = Annotated[
    str | None, problem_option(metavar="min|max", help="Sense of the model, if its file does not state it.")
]
IntegersOption = Annotated[
    str,
    problem_option(
        metavar="ENCODING", help="Encoding of integers: binary, bounded-coefficient:N, unary, one-hot or domain-wall."
    ),
]
InequalitiesOption = Annotated[
    str,
    problem_option(
        metavar="ENCODING", help="Encoding of the other inequalities: lagrangian, slack, slack:ENCODING or unbalanced."
    ),
]
PresolveOption = Annotated[bool, problem_option(help="Fix variables and split components first.")]
CertifyOption = Annotated[
    float | None, solver_option(metavar="SECONDS", help="Prove a bound on the gap to the optimum within this time.")
]
OnnxFormOption = Annotated[
    str,
    output_option(
        metavar="NAME",
        help="Form of the ONNX file: small (integers of 2, 4 and 8 bits, made float32 when it is loaded), fast "
        "(convolutions and matrix products in integers of 8 bits), or fast-vnni (the same, more precise, for "
        "processors with VNNI or of ARM).",
    ),
]
ReportOption = Annotated[
    Path | None,
    output_option("--report", metavar="FILE", help="Write an HTML page that shows the result; it opens offline."),
]
JsonOption = Annotated[
    Path | None, output_option("--json", metavar="FILE", help="Write JSON to this file; - is standard output.")
]
TARGET_HELP = "Hardware graph: pegasus:16, zephyr:15, chimera:16, or a JSON file of a solver's properties."


def assignments(option: str, words: Sequence[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return `name=value` words as a mapping, together with the values of separate flags.

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
    """Load a problem, see `qubo_dnn.loading.load_problem`, from options as typed; report a guessed format on stderr.

    Raises:
        OptionError: an option is malformed or does not apply.
        UnsupportedProblemError: the file holds a model that is too large for labels.
    """
    from qubo_dnn.loading import with_labels

    return with_labels(load_with_arrays(source, parameter, format_name, sense, integers, seed))


def load_with_arrays(
    source: str,
    parameter: list[str] | None,
    format_name: str | None,
    sense: str | None,
    integers: str,
    seed: int,
) -> LoadedProblem | LoadedArrays:
    """Load a problem, or a model that is too large for labels; see `qubo_dnn.loading.load_problem_or_arrays`.

    Raises:
        OptionError: an option is malformed or does not apply.
    """
    from qubo_dnn.loading import LoadedProblem, load_problem_or_arrays

    if sense not in (None, "min", "max"):
        raise OptionError(f"--sense takes min or max, not {sense!r}")
    own = cast(Literal["min", "max"] | None, sense)
    file, _, function = source.rpartition(":")
    if file.endswith(".py"):
        from qubo_dnn.conversion import problem_from_code

        if parameter or format_name:
            raise OptionError(f"{source} makes a model itself; leave out --parameter and --format")
        problem = problem_from_code(Path(file), function, sense=own, integers=integers)
        return LoadedProblem(problem, None, Path(file))
    return load_problem_or_arrays(
        source,
        assignments("--parameter", parameter, {}),
        format_name=format_name,
        sense=own,
        integers=integers,
        seed=seed,
        say=say,
    )


def connect(context: typer.Context, cluster: str | None) -> DaskCluster | None:
    """Connect to workers, see `qubo_dnn.cluster.dask_cluster.connected`; they are left when the command ends.

    Args:
        context: that of the command.
        cluster: as typed, or None.
    """
    from qubo_dnn.cluster.dask_cluster import connected

    return context.with_resource(connected(cluster))


def say(line: str) -> None:
    """Print a line on stderr."""
    from qubo_dnn.cli.common.output import print_lines

    print_lines(line, err=True)
