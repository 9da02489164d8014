"""`qubo-dnn compress`: a network goes in, a smaller one that works comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from qubo_dnn.cli.output import AsJson
from qubo_dnn.errors import DataError, OptionError

if TYPE_CHECKING:
    from qubo_dnn.compression.data import Data

T = TypeVar("T")


def compress(
    network: Annotated[
        str, typer.Argument(help="zoo:NAME, or pkg.module:factory giving a torch module.", show_default=False)
    ],
    budget: Annotated[
        str, typer.Option(help="3bits (average per weight), 25% (of the fp32 size) or 200KB.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for model, plan and result.", show_default=False)],
    weights: Annotated[Path | None, typer.Option(help="Weights of the network: .safetensors, .pt or .pth.")] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Images to measure on: .npz with x and y, or pkg.module:factory.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Images to report accuracy on; the same forms.")] = None,
    mean: Annotated[str | None, typer.Option(help="Subtracted per channel, as 0.485,0.456,0.406 (default: 0).")] = None,
    std: Annotated[str | None, typer.Option(help="Divided by per channel, as 0.229,0.224,0.225 (default: 1).")] = None,
    calibration_size: Annotated[
        int | None, typer.Option(help="Calibration images, drawn by the seed (default: all, at most 1024).")
    ] = None,
    formulation: Annotated[str, typer.Option(help="See `qubo-dnn formulations list`.")] = "pruning-quantization",
    objective: Annotated[
        str | None, typer.Option(help="gauss-newton, separable or trace (default: gauss-newton).")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="name=value for the formulation; repeatable.")
    ] = None,
    granularity: Annotated[str, typer.Option(help="Unit of choice: layer, group:N or channel.")] = "channel",
    options: Annotated[
        str | None,
        typer.Option(help="Bit widths, as 0,2,4,4@50%; 0 prunes, @50% zeroes half of the weights (default: own ones)."),
    ] = None,
    backend: Annotated[str, typer.Option(help="See `qubo-dnn backends list`.")] = "pt",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="name=value for the backend; repeatable.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for the solver, all its calls together.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of every random choice.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder of an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compress a network to a budget: writes OUT/model.safetensors, plan.json and result.json."""
    # OpenMP threads spin while they wait, and take the cores from whatever else runs on them. Read by libgomp when
    # torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    from qubo_dnn.backend import make_options
    from qubo_dnn.cli.console import ConsoleReporter, print_run
    from qubo_dnn.cli.output import print_json
    from qubo_dnn.compression.network import check_fit, load_network
    from qubo_dnn.compression.options import parse_options
    from qubo_dnn.compression.pipeline import Settings
    from qubo_dnn.compression.pipeline import compress as run
    from qubo_dnn.compression.report import check_output, write_run
    from qubo_dnn.compression.task import check_compression
    from qubo_dnn.parameters import make_parameters
    from qubo_dnn.registry import get_backend, get_formulation

    # Everything that can be refused without loading the network is refused first.
    check_output(out, overwrite)
    solver = get_backend(backend)
    solver_options = assignments("--option", option, {"time_limit": time_limit})
    if solver.capabilities.seeded:
        solver_options.setdefault("seed", str(seed))
    make_options(solver, solver_options)
    formulated = check_compression(get_formulation(formulation))
    parameters = make_parameters(formulated, assignments("--parameter", parameter, {"objective": objective}))
    settings = Settings(
        budget=budget,
        granularity=granularity,
        options=None if options is None else parse_options(options),
        parameters=parameters,
        backend_options=solver_options,
        seed=seed,
    )
    means = None if mean is None else numbers("--mean", mean, float)
    stds = None if std is None else numbers("--std", std, float)
    if calibration is None and test is None and (means or stds):
        raise OptionError("--mean and --std are for the images of --calibration and --test, and neither is given")

    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model = load_network(network, weights)
        measured_on, reported_on = _data(network, calibration, test, means, stds)
        for data in filter(None, (measured_on, reported_on)):
            check_fit(model, data)
        size = min(len(measured_on), 1024) if calibration_size is None else calibration_size
        measured_on = measured_on.subset(size, seed)
        done = run(model, measured_on, reported_on, formulated, solver, settings, reporter)
        reporter.stage("write")
        about = {
            "network": network,
            "formulation": formulation,
            "parameters": parameters,
            "granularity": granularity,
            "calibration_size": size,
        }
        result = write_run(out, model, done, measured_on, about, overwrite=overwrite)
    if as_json:
        print_json(result)
    else:
        print_run(result, out)


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


def numbers(option: str, text: str, kind: Callable[[str], T]) -> list[T]:
    """Comma-separated numbers.

    Raises:
        OptionError: a piece is not a number of that kind.
    """
    try:
        return [kind(piece) for piece in text.split(",")]
    except ValueError as cause:
        raise OptionError(f"{option} takes numbers separated by commas, not {text!r}") from cause


def _data(
    network: str,
    calibration: str | None,
    test: str | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> tuple[Data, Data | None]:
    """Calibration and test images as given, or those that come with a network of the zoo."""
    from qubo_dnn import zoo
    from qubo_dnn.compression.data import load_data
    from qubo_dnn.compression.network import ZOO

    entry = zoo.load(network.removeprefix(ZOO)) if network.startswith(ZOO) else None
    if calibration is not None:
        measured_on = load_data(calibration, mean, std)
    elif entry is not None:
        measured_on = entry.calibration
    else:
        raise DataError("no calibration images: add --calibration FILE.npz or --calibration pkg.module:factory")
    if test is not None:
        return measured_on, load_data(test, mean, std)
    return measured_on, entry.test if entry else None
