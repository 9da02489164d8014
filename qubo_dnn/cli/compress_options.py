"""The options of `qubo-dnn compress`, in the panels of its help.

Each type gives the text of one parameter of `qubo_dnn.cli.compress.compress`, whose name and default stand there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.common.arguments import TARGET_HELP, data_option, output_option, problem_option, solver_option

_budget = partial(typer.Option, rich_help_panel="Budget")
choice_option = partial(typer.Option, rich_help_panel="What is chosen")
_loss = partial(typer.Option, rich_help_panel="Loss")
_search = partial(typer.Option, rich_help_panel="Measurement and search")
_repair = partial(typer.Option, rich_help_panel="Repair")

Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK", help="zoo:NAME, or pkg.module:factory that returns a torch module.", show_default=False
    ),
]
Out = Annotated[
    Path, output_option(metavar="DIR", help="Folder for the model, the plan and the result.", show_default=False)
]

Budget = Annotated[
    list[str] | None,
    _budget(
        metavar="LIMIT",
        help="3bits (average per weight), 25% (of the float32 size), 200KB, 40%bops, 1.2GBOPs, 60%macs "
        "(multiply-accumulates without removed channels), 1.2GMACs, or NAME=12.5 or NAME=60% for a table; repeatable.",
        show_default=False,
    ),
]
Table = Annotated[
    list[str] | None,
    _budget(metavar="NAME=FILE", help="Cost table of a budget: a .csv file with layer,option,cost; repeatable."),
]
TargetAccuracyDrop = Annotated[
    str | None,
    _budget(
        metavar="SHARE",
        help="Largest drop of the accuracy or metric, such as 1% or 0.01, of the smallest network, instead of a size.",
    ),
]

Weights = Annotated[Path | None, data_option(metavar="FILE", help="Weights of the network: .safetensors, .pt or .pth.")]
Calibration = Annotated[
    str | None,
    data_option(
        metavar="DATA",
        help="Images or other samples to measure on: .npz (x, or named inputs; y), or pkg.module:factory.",
    ),
]
Test = Annotated[str | None, data_option(metavar="DATA", help="Images for the final evaluation, in the same forms.")]
Mean = Annotated[
    str | None, data_option(metavar="X,X,...", help="Mean per channel, such as 0.485,0.456,0.406 (default: 0).")
]
Std = Annotated[
    str | None, data_option(metavar="X,X,...", help="Divisor per channel, such as 0.229,0.224,0.225 (default: 1).")
]
CalibrationSize = Annotated[
    int | None,
    data_option(metavar="N", help="Number of calibration images, drawn at random (default: all, at most 1024)."),
]
BatchAxis = Annotated[
    str, data_option(metavar="AXIS", help="Axis of the samples in the inputs, such as 1, or per input: src=1,tgt=1.")
]
Mask = Annotated[
    str | None,
    data_option(metavar="INPUT", help="Input that is 0 where the outputs are padding, such as attention_mask."),
]
Granularity = Annotated[
    str,
    choice_option(
        metavar="UNIT",
        help="Unit of an option: layer, group:N, channel, coupled-channel (a channel of all layers that make it, "
        "which can be removed), or auto (the last one with a budget of MACs, else channel).",
    ),
]
Options = Annotated[
    str | None,
    choice_option(
        metavar="FORMAT,...",
        help="Bit widths, such as 0,2,4,4@50%; 0 prunes, @50% zeroes half the weights; or formats with widths of "
        "activations, such as 4a8,8a8,4a4 (default: formulation's).",
    ),
]
Activations = Annotated[
    str | None,
    choice_option(
        metavar="BITS,...",
        help="Bit widths of what the layers read, to choose from, such as 4,8, or one for all of them; 32 leaves "
        "them as they are (default: 8 with --onnx and --onnx-form fast or fast-vnni, whose files compute in "
        "integers of 8 bits; otherwise 32).",
    ),
]
ActivationRanges = Annotated[
    str, choice_option(metavar="METHOD", help="Ranges of activations: mse, minmax, or percentile:99.99.")
]
Skip = Annotated[
    list[str] | None,
    choice_option(metavar="LAYER", help="Layer to leave in float32: a name, layer1.*, first or last; repeatable."),
]
LayerOptions = Annotated[
    list[str] | None,
    choice_option(
        metavar="LAYER=...", help="Other options for some layers, LAYER=4,6,8, named as in --skip; repeatable."
    ),
]
Tie = Annotated[
    list[str] | None,
    choice_option(metavar="LAYER,...", help="Layers that share their options, unit by unit; repeatable."),
]

Loss = Annotated[
    str,
    _loss(
        metavar="NAME",
        help="cross-entropy (classes on axis 1), token-cross-entropy (on the last one), "
        "binary-cross-entropy-with-logits, binary-cross-entropy (of sigmoid outputs), squared-error, "
        "absolute-error, huber, cosine (of embeddings), or pkg.module:factory of a function of (outputs, targets).",
    ),
]
Output = Annotated[
    list[str] | None,
    _loss(
        metavar="NAME",
        help="Output of the network that is compared: NAME, NAME=LOSS, NAME=LOSS*WEIGHT, or all; repeatable "
        "(default: the only one).",
    ),
]
Metric = Annotated[
    str | None,
    _loss(
        metavar="FUNCTION",
        help="pkg.module:function of (outputs, targets), larger is better; reported, and for the drop.",
    ),
]

Formulation = Annotated[str, problem_option(metavar="NAME", help="See `qubo-dnn formulations list`.")]
Objective = Annotated[
    str | None,
    problem_option(
        metavar="NAME", help="gauss-newton, separable or trace (default: one of the first two, by held-out images)."
    ),
]

Compensation = Annotated[str, _repair(metavar="METHOD", help="Compensation of rounding errors: none or gptq.")]
Recovery = Annotated[str, _repair(metavar="METHOD", help="Recovery of weights, biases and BatchNorm: auto or none.")]
Remove = Annotated[
    str,
    _repair(metavar="METHOD", help="Removal of pruned channels where it does not change the outputs: auto or none."),
]

HeldOut = Annotated[
    float, _search(metavar="SHARE", help="Share of the calibration images that is held out to compare plans.")
]
Rounds = Annotated[int, _search(metavar="N", help="Most rounds of measuring at the solution and solving again.")]
Reward = Annotated[
    str,
    solver_option(
        metavar="NAME", help="Objective of the backend: model, or measured (the network's divergence for each plan)."
    ),
]
Rerank = Annotated[int, _search(metavar="N", help="Number of best answers of the backend to evaluate on the network.")]
Probes = Annotated[
    int | None,
    _search(metavar="N", help="Number of random backward passes per image (default: exact up to 32 classes)."),
]
Memory = Annotated[float, _search(metavar="GIB", help="Memory limit of the measurement and of the problem.")]
Device = Annotated[str, _search(metavar="NAME", help="Device that runs the network: cpu, cuda or cuda:1.")]
Checkpoints = Annotated[
    Path | None,
    _search(
        metavar="DIR",
        help="Folder that keeps measurements for runs with another budget or solver; other changes need "
        "--overwrite (default: OUT.measured, removed after success).",
    ),
]

TimeLimit = Annotated[
    float | None,
    solver_option(metavar="SECONDS", help="Time limit of the backend in each round, for all calls together."),
]

EmbedReport = Annotated[
    Path | None, output_option(metavar="FILE", help="Write a page about its embedding in a quantum annealer.")
]
EmbedTarget = Annotated[str, output_option(metavar="GRAPH", help=TARGET_HELP)]
Onnx = Annotated[
    Path | None,
    output_option(metavar="FILE", help="Write an ONNX file too, compared with the network; see `qubo-dnn export`."),
]
AcceptDivergence = Annotated[
    bool,
    output_option(
        "--accept-divergence",
        help="Exit with 0 even if the held-out divergence exceeds 20 times the predicted one (and 2 % of that of "
        "a network with constant outputs); without it the exit code is then 25.",
    ),
]
Verbose = Annotated[bool, output_option("--verbose", "-v", help="Also print a table with a line for every layer.")]
Overwrite = Annotated[
    bool,
    output_option("--overwrite", help="Replace the folder of an earlier run, and saved measurements that do not fit."),
]
