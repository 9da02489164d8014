"""Ways to choose bit widths, all with the quantizer and the recovery of `compress` and with the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from bench.networks.shipped.network import ShippedNetwork
from bench.networks.subject import Subject
from qubo_dnn.api.networks import compress
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import Plan

OURS, SEPARABLE, TRACE, UNIFORM = "gauss-newton", "separable", "trace", "uniform"


@dataclass(frozen=True, eq=False)
class Chosen:
    """What a method made of a network.

    Attributes:
        model: the compressed network, recovered.
        plan: its options.
        held_out: divergence on calibration inputs that were not measured on.
        bare: the same before the recovery.
        note: what else to know.
    """

    model: nn.Module
    plan: Plan
    held_out: float
    bare: float
    note: str = ""


Method = Callable[[ShippedNetwork, str, float, int], Chosen]
"""From a network, its granularity, bits per weight and a seed."""


def _searched(
    network: ShippedNetwork, granularity: str, bits: float, seed: int, parameters: Mapping[str, Any]
) -> Chosen:
    """`compress` with its defaults, but for the objective and what follows from it."""
    done = compress(
        network.module,
        network.calibration,
        f"{bits:g}bits:weights",
        seed=seed,
        granularity=granularity,
        parameters=parameters,
        loss=network.loss,
        output=list(network.outputs),
        progress=False,
    )
    found = done.compression.found
    rounds = ", ".join(str(dict(each.parameters)) for each in found.rounds if each.accepted)
    applied = found.applied
    return Chosen(done.model, done.plan, applied.held_out.divergence, applied.bare.divergence, f"rounds: {rounds}")


def _uniform(network: ShippedNetwork, granularity: str, bits: float, seed: int) -> Chosen:
    """The same width everywhere; between two widths, a share of the units drawn at random has the larger one."""
    _, loss = fit(network.module, network.calibration, network.outputs, network.loss)
    low = int(np.floor(bits))
    subject = Subject.of(network.module, granularity, bit_widths(low, low + 1))
    units = len(subject.task.cost)
    choice = np.zeros(units, np.intp)
    larger = np.random.default_rng(seed).permutation(units)[: round((bits - low) * units)]
    choice[larger] = 1
    evaluator = _evaluator(network, subject, loss, seed)
    applied = evaluator.refitted(evaluator(subject.task.plan(choice)))
    return Chosen(applied.network, applied.plan, applied.held_out.divergence, applied.bare.divergence)


def _evaluator(network: ShippedNetwork, subject: Subject, loss: Loss, seed: int) -> PlanEvaluator:
    """As `compress` makes it: the same inputs are held out, and a repair is kept that helps on these."""
    interface, _ = fit(network.module, network.calibration, network.outputs, network.loss)
    calibration = network.calibration.with_interface(interface)
    held_out = max(1, round(CompressionSettings.held_out * len(calibration)))
    measured_on, judged_on = calibration.split(len(calibration) - held_out, seed)
    judge = HeldOutDivergence(network.module, judged_on, loss)
    inventory = find_layers(network.module)
    used = usage(inventory, measured_on, gradients=True)
    reconstruction = Reconstruction(used.of(inventory), measured_on, seed=seed)
    return PlanEvaluator(
        network.module, subject.candidates, measured_on, judge, CompressionSettings.recovery, reconstruction
    )


METHODS: dict[str, Method] = {
    OURS: partial(_searched, parameters={}),
    SEPARABLE: partial(_searched, parameters={"objective": SEPARABLE}),
    TRACE: partial(_searched, parameters={"objective": TRACE}),
    UNIFORM: _uniform,
}
