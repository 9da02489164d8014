"""`qubo-dnn inspect`: a network before it is compressed, or what a compression has written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qubo_dnn.cli import compress_options as given
from qubo_dnn.cli.common import arguments
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

    from qubo_dnn.compression.data.dataset import Data
    from qubo_dnn.compression.data.inputs import Interface

_SAMPLES = 32
_MOST = 1024


def inspect(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="zoo:NAME, or pkg.module:factory of a network; a folder that `compress` has written; or its "
            "model.safetensors.",
            show_default=False,
        ),
    ],
    weights: given.Weights = None,
    calibration: given.Calibration = None,
    input_shape: Annotated[
        str | None,
        arguments.data_option(
            metavar="N,N,...", help="Shape of one input, such as 3,224,224, to run on random numbers in place of data."
        ),
    ] = None,
    mean: given.Mean = None,
    std: given.Std = None,
    calibration_size: given.CalibrationSize = None,
    batch_axis: given.BatchAxis = "0",
    mask: given.Mask = None,
    granularity: Annotated[
        list[str] | None,
        given.choice_option(
            metavar="UNIT",
            help="Unit of an option: layer, group:N, channel or coupled-channel; repeatable (default: layer, group:16 "
            "and channel).",
        ),
    ] = None,
    options: Annotated[
        str | None,
        given.choice_option(
            metavar="BITS,...", help="Options of every unit, such as 0,2,4,4@50% (default: those of `compress`)."
        ),
    ] = None,
    skip: given.Skip = None,
    loss: given.Loss = "cross-entropy",
    output: given.Output = None,
    probes: given.Probes = None,
    memory: given.Memory = 8.0,
    seed: arguments.SeedOption = 0,
    json_file: arguments.JsonOption = None,
) -> None:
    """Show what a network consists of, what can be compressed, and what it would take; or what a run has made of it.

    A folder or a file is read without torch, and nothing in it is run.
    """
    from qubo_dnn.cli.common.inspection import print_model_file, print_network, print_record
    from qubo_dnn.cli.common.output import write_json

    shown = json_file is None or str(json_file) != "-"
    path = Path(what)
    if path.exists():
        of_networks = {
            **{"--weights": weights, "--calibration": calibration, "--input-shape": input_shape, "--mean": mean},
            **{"--std": std, "--calibration-size": calibration_size, "--mask": mask, "--granularity": granularity},
            **{"--options": options, "--skip": skip, "--output": output, "--probes": probes},
        }
        for name, value in of_networks.items():
            if value is not None:
                raise OptionError(f"{name} is for networks, and {what} is a {'folder' if path.is_dir() else 'file'}")
        if path.is_dir():
            from qubo_dnn.compression.inspection.run_record import read_record

            record = read_record(path)
            if json_file is not None:
                write_json(json_file, {"kind": "run", **record.to_dict()})
            if shown:
                print_record(record)
        else:
            from qubo_dnn.compression.inspection.model_file import read_model_file

            file = read_model_file(path)
            if json_file is not None:
                write_json(json_file, {"kind": "model file", **file.to_dict()})
            if shown:
                print_model_file(file)
        return
    if ":" not in what:
        raise OptionError(
            f"{what!r} is neither a folder nor a file, nor a network such as zoo:mnist-cnn or pkg:factory"
        )
    # Read when torch is loaded: threads that spin while they wait make a loaded machine many times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    from qubo_dnn.cli.compress_inputs import Images, axes, numbers
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.inspection.network import GRANULARITIES, inspect_network
    from qubo_dnn.compression.losses.joint_loss import parse_term
    from qubo_dnn.compression.losses.losses import load_loss
    from qubo_dnn.compression.task.options import parse_options
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.registry import get_formulation
    from qubo_dnn.zoo import PREFIX

    if input_shape is not None and calibration is not None:
        raise OptionError("--input-shape is in place of --calibration")
    default = check_compression(get_formulation("pruning-quantization")).default_options
    interface = Interface(batch_axis=axes(batch_axis), mask=mask)
    images = Images(
        what, calibration, None, numbers("--mean", mean), numbers("--std", std), interface, calibration_size, seed
    )
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        if input_shape is None and (calibration is not None or what.startswith(PREFIX)):
            model, given_data, _ = images.load(weights)
            data: Data | None = given_data
            samples = None
        else:
            model, data = _without_data(what, weights, input_shape, interface, seed)
            samples = calibration_size or _MOST
        found = inspect_network(
            model,
            data,
            options=default if options is None else parse_options(options),
            granularities=granularity or GRANULARITIES,
            skip=skip or (),
            loss=load_loss(loss),
            outputs=tuple(map(parse_term, output or ())),
            samples=samples,
            probes=probes,
            memory=memory,
            reporter=reporter,
        )
    if json_file is not None:
        write_json(json_file, {"kind": "network", "network": what, **found.to_dict()})
    if shown:
        print_network(what, found)


def _without_data(
    network: str, weights: Path | None, input_shape: str | None, interface: Interface, seed: int
) -> tuple[nn.Module, Data | None]:
    """Return a network, and random inputs of a shape, or None without one."""
    import torch

    from qubo_dnn import zoo
    from qubo_dnn.compression.data.dataset import Data
    from qubo_dnn.compression.network.loading import load_network

    module: Any = network
    if network.startswith(zoo.PREFIX):
        module = zoo.load(network.removeprefix(zoo.PREFIX)).module
    model = load_network(module, weights)
    if input_shape is None:
        return model, None
    random = torch.randn(_SAMPLES, *_lengths(input_shape), generator=torch.Generator().manual_seed(seed))
    return model, Data.from_tensors(random, name="--input-shape", interface=interface)


def _lengths(text: str) -> Sequence[int]:
    """Parse the shape of an input.

    Raises:
        OptionError: it is none.
    """
    pieces = text.split(",")
    if not all(piece.isascii() and piece.isdecimal() and int(piece) for piece in pieces):
        raise OptionError(f"--input-shape takes lengths such as 3,224,224, not {text!r}")
    return list(map(int, pieces))
