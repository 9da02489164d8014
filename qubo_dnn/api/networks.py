"""Compress a network in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from qubo_dnn.api.compressed_network import CompressedNetwork
from qubo_dnn.api.tracked_networks import TrackedRounds, compress_parameters, track_compression
from qubo_dnn.backend import Backend
from qubo_dnn.cluster.given import AnyExecutor, workers
from qubo_dnn.cluster.portfolio import portfolio_of
from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data, as_data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.joint_loss import LossTerm, parse_term
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, CallableLoss, Loss, load_loss
from qubo_dnn.compression.losses.metrics import Metric, load_metric
from qubo_dnn.compression.removal.remove_pruned import Removal
from qubo_dnn.compression.removal.remove_pruned import remove_pruned as remove
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.search.progress import CompressionReporter, SilentReporter
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import Budget, parse_budget
from qubo_dnn.compression.task.cost_tables import CostTable, read_table
from qubo_dnn.compression.task.formats import Formats
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.task import CompressionFormulation, check_compression
from qubo_dnn.console_reporter import ConsoleReporter, is_watched
from qubo_dnn.errors import OptionError, suggestion
from qubo_dnn.parameters import make_parameters
from qubo_dnn.registry import get_formulation
from qubo_dnn.support.arguments import checked
from qubo_dnn.tracking.callback import Callback
from qubo_dnn.tracking.tracker import Tracker

__all__ = ["CompressedNetwork", "compress", "load_compressed_", "remove_pruned"]

# Constant channels are recognised on so many samples.
_SAMPLES = 64

Arrays = Tensor | np.ndarray[Any, Any]
Images = (
    Data
    | DataLoader[Any]
    | Dataset[Any]
    | Arrays
    | tuple[Arrays, ...]
    | Mapping[str, Arrays]
    | Iterable[Any]
    | str
    | Path
)


class Settings(TypedDict, total=False):
    """Further arguments of `compress`, see `CompressionSettings` and `SearchSettings`."""

    tables: Mapping[str, CostTable | str | Path]
    target_accuracy_drop: float
    options: str
    activations: str | int
    activation_ranges: str
    skip: Sequence[str]
    layer_options: Mapping[str, str]
    ties: Sequence[Sequence[str]]
    compensation: str
    recovery: str
    remove: str
    loss: Loss | Callable[[Tensor, Tensor], Tensor] | str
    output: str | LossTerm | Sequence[str | LossTerm]
    metric: Metric | Callable[[Tensor, Tensor | None], object] | str
    held_out: float
    certify: float
    granularity: str
    parameters: Mapping[str, Any]
    backend_options: Mapping[str, Any]
    rounds: int
    rerank: int
    reward: str
    probes: int
    memory: float
    checkpoints: Path


@checked
def compress(
    model: nn.Module,
    calibration: Images,
    budget: str | Sequence[str] | None = "3bits",
    *,
    targets: Any = None,
    test: Images | None = None,
    backend: Backend | str | None = None,
    formulation: str = "pruning-quantization",
    seed: int = 0,
    calibration_size: int | None = None,
    batch_axis: int | Mapping[str, int] = 0,
    mask: str | None = None,
    progress: CompressionReporter | bool | None = None,
    callbacks: Sequence[Callback] = (),
    portfolio: int | None = None,
    client: Any = None,
    executor: AnyExecutor | None = None,
    **settings: Unpack[Settings],
) -> CompressedNetwork:
    """Prune and quantize the weights of a network to a budget, without training.

    Args:
        model: the network; it is not changed.
        calibration: images or other samples to measure on; no labels are needed. A tensor or array is the only input, a
            tuple of them holds several positional inputs, and a dict named ones, all [N, ...]; a DataLoader, a Dataset
            or another iterable of batches gives inputs, or (inputs, target); a text is as for `--calibration`.
        budget: a budget such as "3bits", "25%", "200KB", "40%bops" or "60%macs", or several; None with
            `target_accuracy_drop`.
        targets: targets of tensors or arrays, for reported accuracies and losses.
        test: samples for the final evaluation only; tensors have no targets, and `[(images, targets)]` is one batch
            with them.
        backend: name or instance, which then solves every problem. None: separable problems, in which no two units
            interact, are solved directly within linear budgets (`qubo_dnn.solving.separable`), and all others by "pt".
            Several names such as "pt+tabu" take turns in a portfolio.
        formulation: name of a formulation that compresses networks.
        seed: random seed.
        calibration_size: number of calibration images to draw; None: all, at most 1024.
        batch_axis: axis of the samples in the inputs, such as 1 for sequences [T, N, ...]; or input -> axis.
        mask: name of an input that is False or 0 where the outputs are padding.
        progress: True shows progress bars, False nothing; None shows them in a terminal and in a notebook; or an object
            that receives progress events.
        callbacks: receive parameters, metrics and the result, such as `qubo_dnn.MlflowCallback()`.
        portfolio: number of runs of the backend with different seeds, of which the best counts, see
            `qubo_dnn.cluster.portfolio.Portfolio`; None: one for every backend.
        client: a `distributed.Client`, whose workers measure, and do the runs of a portfolio. It changes no result,
            except that workers measure on one thread.
        executor: an executor of the kind of `concurrent.futures` in its place, or a function that makes one.
        **settings: fields of `CompressionSettings`, `SearchSettings` and `Rules`; options and layer options are texts.
            `activations` are widths such as 8 or "4,8"; options may be formats such as "4a8,8a8,4a4".
            `output` names the compared outputs, as in `--output`, such as "logits", or "boxes=squared-error*0.5";
            `metric` is a function of all outputs and targets that returns a number, larger for a better network.

    Raises:
        ModelError: the model is not a network, or cannot be compressed.
        DataError: the network does not accept the images.
        BudgetError: no choice of options meets the budgets.
        OptionError: a setting is unknown or invalid.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
        >>> images, labels = torch.randn(32, 1, 4, 4), torch.arange(32) % 4
        >>> smaller = compress(network, images, "4bits", targets=labels, backend="tabu", rounds=1)
        >>> smaller.to_dict()["compressed"]["bits_per_weight"] <= 4
        True
    """
    tracker = Tracker(callbacks)
    budgets = () if budget is None else (budget,) if isinstance(budget, str) else tuple(budget)
    parsed = tuple(map(parse_budget, budgets))
    images, tested = as_images(calibration, test, targets, calibration_size, batch_axis, mask, seed)
    about = {"network": type(model).__name__, "formulation": formulation, "calibration_size": len(images)}
    test_size = None if tested is None else len(tested)
    with workers(client, executor) as cluster:
        compressor = make_compressor(parsed, backend, formulation, seed, settings, portfolio).on(cluster)
        with tracker.run("compress", compress_parameters(compressor, parsed, about, test_size)):
            with shown(progress) as reporter:
                rounds = TrackedRounds(reporter, tracker)
                done = compressor.compress(model, images, tested, rounds if tracker else reporter)
            smaller = CompressedNetwork(model, done, images, about, tested)
            if tracker:
                track_compression(tracker, smaller.to_dict(), rounds.number)
            tracker.finished(smaller)
    return smaller


def remove_pruned(model: nn.Module, samples: Images, *, exact: bool = True, round_to: int = 1) -> Removal:
    """Remove the pruned channels of a network, such as one that `load_compressed_` has filled.

    Args:
        model: the network; it is not changed.
        samples: inputs of the network, in the forms that `compress` takes; at most 64 are used.
        exact: False also removes constant channels that meet padding by zeros, within `Removal.deviation`.
        round_to: layers that lose channels keep a multiple of this number, or all, with some pruned ones to fill it up:
            fast code of processors computes 8 or 16 channels at a time.

    Returns:
        The smaller network with the removed channels, and the reasons why others stay.

    Raises:
        ModelError: the network cannot be traced.
        DataError: the network does not accept the samples.
        OptionError: `round_to` is less than 1.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> _ = network[0].weight.data[:2].zero_()
        >>> remove_pruned(network, torch.randn(8, 3)).model
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
          (1): ReLU()
          (2): Linear(in_features=2, out_features=2, bias=True)
        )
    """
    data = as_data(samples, name="samples")
    return remove(model, next(data.batches(_SAMPLES))[0], exact=exact, round_to=round_to)


def make_compressor(
    budgets: tuple[Budget, ...],
    backend: Backend | str | None,
    formulation: str,
    seed: int,
    settings: Settings,
    portfolio: int | None = None,
) -> Compressor:
    """Parse the arguments of `compress` and `sweep`; see there for errors.

    Example:
        >>> make_compressor((parse_budget("3bits"),), "tabu", "pruning-quantization", 0, {"rounds": 1}).backend.name
        'tabu'
    """
    solver = portfolio_of("pt" if backend is None else backend, portfolio)
    formulated = check_compression(get_formulation(formulation))
    return Compressor(formulated, solver, _settings(budgets, solver, formulated, backend is None, seed, settings))


def as_images(
    calibration: Images,
    test: Images | None,
    targets: Any,
    calibration_size: int | None,
    batch_axis: int | Mapping[str, int],
    mask: str | None,
    seed: int,
) -> tuple[Data, Data | None]:
    """Return the calibration and the test images of `compress` and `sweep`; see there for arguments and errors.

    Example:
        >>> import torch
        >>> images, test = as_images(torch.eye(3), None, None, 2, 0, None, seed=0)
        >>> len(images), test
        (2, None)
    """
    stated = Interface(batch_axis=batch_axis, mask=mask) if batch_axis or mask is not None else None
    images = as_data(calibration, targets, "calibration", stated)
    images = images.subset(min(len(images), 1024) if calibration_size is None else calibration_size, seed)
    return images, None if test is None else as_data(test, name="test", interface=stated)


@contextmanager
def shown(progress: CompressionReporter | bool | None) -> Iterator[CompressionReporter]:
    """Give the reporter for an argument `progress`, see `compress`.

    Example:
        >>> with shown(False) as reporter:
        ...     reporter.stage("measure")
    """
    if progress is True or (progress is None and is_watched()):
        with ConsoleReporter() as bars:
            yield bars
    else:
        yield SilentReporter() if isinstance(progress, bool) or progress is None else progress


def _settings(
    budgets: tuple[Budget, ...],
    backend: Backend,
    formulation: type[CompressionFormulation],
    direct: bool,
    seed: int,
    given: Settings,
) -> CompressionSettings:
    """Parse the arguments of `compress`."""
    for name in given:
        if name not in Settings.__annotations__:
            raise OptionError(f"compress has no argument {name!r}{suggestion(name, Settings.__annotations__)}")
    left: dict[str, Any] = dict(given)
    read, loss = left.pop("activations", None), left.pop("loss", CROSS_ENTROPY)
    formats = Formats.parse(left.pop("options", None), None if read is None else str(read))
    if callable(loss) and not isinstance(loss, Loss):
        loss = CallableLoss(_name_of(loss), loss)
    rules = Rules.parse(left.pop("skip", ()), left.pop("layer_options", {}), left.pop("ties", ()))
    metric, output = left.pop("metric", None), left.pop("output", ())
    if metric is not None and not isinstance(metric, Metric):
        metric = load_metric(metric) if isinstance(metric, str) else Metric(_name_of(metric), metric)
    tables = {
        name: each if isinstance(each, CostTable) else read_table(Path(each))
        for name, each in left.pop("tables", {}).items()
    }
    backend_options = dict(left.pop("backend_options", {}))
    if backend.capabilities.seeded:
        backend_options.setdefault("seed", seed)
    searched = {name: left.pop(name) for name in list(left) if name in SearchSettings.__dataclass_fields__}
    parameters = make_parameters(formulation, searched.pop("parameters", {}))
    return CompressionSettings(
        budgets=budgets,
        tables=tables,
        options=formats.options,
        activations=formats.activations,
        excluded_formats=formats.excluded,
        loss=load_loss(loss) if isinstance(loss, str) else loss,
        outputs=tuple(
            term if isinstance(term, LossTerm) else parse_term(term)
            for term in ([output] if isinstance(output, str | LossTerm) else output)
        ),
        metric=metric,
        rules=rules,
        search=SearchSettings(
            direct=direct, seed=seed, backend_options=backend_options, parameters=parameters, **searched
        ),
        **left,
    )


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
