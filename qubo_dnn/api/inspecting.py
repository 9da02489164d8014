"""Look at a network before it is compressed, or at what a compression has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.compression.inspection.figures import NetworkInspection
from qubo_dnn.compression.inspection.model_file import ModelFile, read_model_file
from qubo_dnn.compression.inspection.run_record import RunRecord, read_record
from qubo_dnn.support.arguments import checked


@checked
def inspect(
    what: Any,
    calibration: Any = None,
    *,
    options: str | None = None,
    granularities: Sequence[str] = ("layer", "group:16", "channel"),
    skip: Sequence[str] = (),
    loss: Any = "cross-entropy",
    output: str | Sequence[str] = (),
    calibration_size: int | None = None,
    batch_axis: int | Mapping[str, int] = 0,
    mask: str | None = None,
    probes: int | None = None,
    memory: float = 8.0,
    seed: int = 0,
) -> NetworkInspection | RunRecord | ModelFile:
    """Inspect a network before it is compressed, or what a compression has written.

    Args:
        what: the network, which is not changed; or the path of a folder that `compress` has written or `save` has made,
            or of its model.safetensors, which are read without torch.
        calibration: samples, in the forms that `compress` takes. None: calls, multiply-accumulates, weights that
            nothing reads, and the time and memory of a measurement are not known.
        options: options of every unit, such as "0,2,4"; None: those of `compress`.
        granularities: units whose variables, memory and time are wanted.
        skip: layers to leave alone.
        loss: loss of the outputs, as for `compress`.
        output: names of the compared outputs, as for `compress`.
        calibration_size: number of calibration samples to draw; None: all, at most 1024.
        batch_axis: axis of the samples in the inputs, or input -> axis.
        mask: name of an input that is False or 0 where the outputs are padding.
        probes: random backward passes for every sample; None: exact up to 32 outputs.
        memory: limit of the measurement and of the problem in GiB.
        seed: random seed of the samples that are drawn.

    Raises:
        ModelError: the network cannot be compressed, or its outputs do not fit the loss.
        DataError: the network does not accept the samples.
        OptionError: an option, a granularity or a layer to skip does not exist.
        FileFormatError: the folder or the file is none of a compression, or is damaged.

    Example:
        >>> from torch import nn
        >>> found = inspect(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), granularities=["channel"])
        >>> [layer.weights for layer in found.layers], found.granularities[0].variables
        ([6, 2], 18)
    """
    if isinstance(what, str | Path):
        path = Path(what)
        return read_model_file(path) if path.is_file() else read_record(path)
    from qubo_dnn.compression.data.dataset import as_data
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.inspection.network import inspect_network
    from qubo_dnn.compression.losses.joint_loss import parse_term
    from qubo_dnn.compression.losses.losses import CallableLoss, Loss, load_loss
    from qubo_dnn.compression.task.options import parse_options
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.registry import get_formulation

    if isinstance(loss, str):
        loss = load_loss(loss)
    elif not isinstance(loss, Loss):
        loss = CallableLoss(str(getattr(loss, "__name__", type(loss).__name__)), loss)
    data = None
    if calibration is not None:
        stated = Interface(batch_axis=batch_axis, mask=mask) if batch_axis or mask is not None else None
        data = as_data(calibration, None, "calibration", stated)
        data = data.subset(min(len(data), 1024) if calibration_size is None else calibration_size, seed)
    default = check_compression(get_formulation("pruning-quantization")).default_options
    return inspect_network(
        what,
        data,
        options=default if options is None else parse_options(options),
        granularities=granularities,
        skip=skip,
        loss=loss,
        outputs=tuple(map(parse_term, [output] if isinstance(output, str) else output)),
        probes=probes,
        memory=memory,
    )
