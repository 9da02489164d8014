"""Ways of choosing the channels that leave, each within a share of the multiply-accumulates of the network.

Most give every channel a score, and the channels with the least scores leave. A score that estimates a loss is divided
by the multiply-accumulates that leave with the channel; norms, and the scores of torch-pruning, are compared as they
are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.compression.measurements.setting import Silent
from bench.removal.channels import OPTIONS, Channels, Flags
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import measuring
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import unmeasured_task
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.support.extras import require

Scores = NDArray[np.float64]

OURS, UNIFORM = "ours", "uniform"
SECONDS = 5.0
"""Time limit of our solver."""
_HESSIAN = "GroupHessianImportance"


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of the loss of every image, which needs the labels of the images.

    Attributes:
        sums, squares: name of a parameter -> sum over images, and sum of squares.
        scales: [channels] sum of squared first-order changes of the loss without the scale and shift of a norm.
    """

    sums: dict[str, Tensor]
    squares: dict[str, Tensor]
    scales: Tensor

    @classmethod
    def of(cls, channels: Channels) -> Gradients:
        """One image at a time."""
        model = copy.deepcopy(channels.model)
        parameters = dict(model.named_parameters())
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        norms = [
            next(use.name for use in group.uses if isinstance(model.get_submodule(use.name), nn.BatchNorm2d))
            for group in channels.groups
        ]
        sums, squares = ({name: torch.zeros_like(each) for name, each in parameters.items()} for _ in range(2))
        scales = torch.zeros(len(channels.saved))
        with measuring(model):
            for inputs, labels in channels.measured_on.batches(1):
                assert labels is not None  # of a classifier
                loss = F.cross_entropy(inputs.call(model), labels)
                found = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
                for name, gradient in found.items():
                    sums[name] += gradient
                    squares[name] += gradient.square()
                weight, bias = (
                    torch.cat([found[f"{name}.{part}"] * parameters[f"{name}.{part}"].detach() for name in norms])
                    for part in ("weight", "bias")
                )
                scales += (weight + bias).square()
        return cls(sums, squares, scales)


class Measured:
    """A network with its channels, and what several methods measure there, once."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.matrix = cache(self._matrix)

    def _matrix(self, activations: bool) -> NDArray[np.float64]:
        """Return [channels, channels] the Gauss-Newton matrix of removals, where channels are read or made."""
        channels = self.channels
        if activations:
            model = self.task.sensitivity
        else:
            changes = channels.changes()
            model = gauss_newton(channels.model, changes, channels.measured_on, seed=channels.seed)
        assert model is not None  # it was measured
        assert model.matrix is not None  # a few hundred channels
        return np.asarray(model.matrix[:: len(OPTIONS), :: len(OPTIONS)], float)

    @cached_property
    def task(self) -> CompressionTask:
        """The task of `compress`, measured, without its budget."""
        return self.search(unmeasured_task(self.channels.changes(), OPTIONS, float("inf"))).measured()

    def search(self, task: CompressionTask, measured: CompressionTask | None = None) -> Search:
        """The search of `compress`, in one round that refits one plan."""
        channels = self.channels
        return Search(
            *(task, channels.inventory, channels.evaluator, CROSS_ENTROPY),
            check_compression(get_formulation("pruning-quantization")),
            get_backend("pt"),
            SearchSettings(
                rounds=1,
                rerank=1,
                backend_options={"seed": channels.seed, "time_limit": SECONDS},
                seed=channels.seed,
            ),
            *(Silent(), measured),
            readers=channels.readers,
        )

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients of the loss of every image."""
        return Gradients.of(self.channels)


def ours(measured: Measured, share: float) -> Flags:
    """What `compress` chooses."""
    channels, task = measured.channels, measured.task
    table, fixed = channels.table()
    budget = parse_budget(f"share={share - fixed:.9f}")
    limited = replace(task, budgets=(task_budget(budget, task.layers, task.options, tables={"share": table}),))
    return channels.removed(measured.search(limited, limited).run().applied.plan)


def greedy(measured: Measured, share: float) -> Flags:
    """Remove channel after channel, that with the least increase of the pairwise loss for its multiply-accumulates."""
    channels, matrix = measured.channels, measured.matrix(True)
    order: list[int] = []
    removed = np.zeros(len(matrix), bool)
    while channels.share(removed) > share:
        increase = (matrix.diagonal() / 2 + matrix @ removed) / channels.saved
        stays = np.bincount(channels.block[~removed], minlength=len(channels.groups))
        increase[removed | (stays[channels.block] == 1)] = np.inf
        order.append(int(increase.argmin()))
        removed[order[-1]] = True
    return channels.cheapest(order, share)


def uniform(measured: Measured, share: float) -> Flags:
    """The same share of the channels of every group, those of least norm."""
    channels = measured.channels
    ranks = np.empty(len(channels.saved))
    norms = l1_norms(measured)
    for place in range(len(channels.groups)):
        own = channels.block == place
        ranks[own] = norms[own].argsort().argsort() / own.sum()
    return channels.cheapest(ranks.argsort(kind="stable"), share)


def l1_norms(measured: Measured) -> Scores:
    """Norm of the weights that make a channel (Li et al. 2017)."""
    rows = (entry.layer.rows(entry.layer.weight.detach()) for entry in measured.channels.changes())
    return np.asarray(torch.cat([each.abs().sum(1) for each in rows]).double())


def taylor(measured: Measured) -> Scores:
    """Squared first-order change of the loss, over the scale and shift of a channel's norm (Molchanov et al. 2019)."""
    return np.asarray(measured.gradients.scales.double()) / measured.channels.saved


def separable(measured: Measured, *, activations: bool) -> Scores:
    """Second-order change of the loss, each channel by itself."""
    return measured.matrix(activations).diagonal() / 2 / measured.channels.saved


def torch_pruning(measured: Measured, *, importance: str) -> Scores:
    """An importance of torch-pruning, on its own groups; those that need gradients get those of the same images."""
    tp = require("torch_pruning", "torch")
    channels = measured.channels
    model = copy.deepcopy(channels.model)
    names = {module: name for name, module in model.named_modules()}
    inputs = next(channels.measured_on.batches(2))[0]
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    with measuring(model):
        graph = tp.DependencyGraph().build_dependency(model, inputs.only)
    scorer = getattr(tp.importance, importance)()
    for name, parameter in model.named_parameters():
        parameter.grad = measured.gradients.sums[name].clone()
        if importance == _HESSIAN:
            # `accumulate_grad` of torch-pruning 1.6 keeps the last image alone.
            scorer._accu_grad[parameter] = measured.gradients.squares[name]
            scorer._counter[parameter] = len(channels.measured_on)
    found = {names[group[0].dep.target.module]: group for group in graph.get_all_groups()}
    scores = [scorer(found[group.name]) for group in channels.groups]
    return np.asarray(torch.cat(scores).double())


def _ranked(score: Callable[[Measured], Scores]) -> Callable[[Measured, float], Flags]:
    scores = cache(score)
    return lambda measured, share: measured.channels.cheapest(scores(measured).argsort(kind="stable"), share)


METHODS: Mapping[str, Callable[[Measured, float], Flags]] = {
    OURS: ours,
    "separable, activations": _ranked(partial(separable, activations=True)),
    "separable, weights": _ranked(partial(separable, activations=False)),
    "greedy with pairs": greedy,
    "Taylor": _ranked(taylor),
    "L1 norms": _ranked(l1_norms),
    UNIFORM: uniform,
    **{
        f"torch-pruning, {name}": _ranked(partial(torch_pruning, importance=f"{name}Importance"))
        for name in ("GroupMagnitude", "GroupTaylor", "GroupHessian", "LAMP", "FPGM")
    },
}
