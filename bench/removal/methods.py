"""Ways of choosing the channels that leave, each within a share of the multiply-accumulates of the network.

Most give every channel a score, and the channels with the least scores leave. A score that estimates a loss is divided
by the multiply-accumulates that leave with the channel; norms, and the scores of torch-pruning, are compared as they
are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from bench.removal.channels import Channels, Flags
from bench.removal.measured import Measured
from qubo_dnn.compression.network.inference import measuring
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.support.extras import require

Scores = NDArray[np.float64]

OURS, UNIFORM = "ours", "uniform"
_HESSIAN = "GroupHessianImportance"


def ours(measured: Measured, share: float) -> Flags:
    """What `compress` chooses."""
    limited = linear_budget(measured.channels, measured.task, share)
    return measured.channels.removed(measured.search(limited, limited).run().applied.plan)


def linear_budget(channels: Channels, task: CompressionTask, share: float) -> CompressionTask:
    """The task with a share of the multiply-accumulates as its budget, counted by single channels."""
    table, fixed = channels.table()
    budget = parse_budget(f"share={share - fixed:.9f}")
    return replace(task, budgets=(task_budget(budget, task.layers, task.options, tables={"share": table}),))


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
    return evenly(measured.channels, l1_norms(measured), share)


def evenly(channels: Channels, scores: Scores, share: float) -> Flags:
    """The same share of the channels of every group, those of least score."""
    ranks = np.empty(len(scores))
    for place in range(len(channels.groups)):
        own = channels.block == place
        ranks[own] = scores[own].argsort().argsort() / own.sum()
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
