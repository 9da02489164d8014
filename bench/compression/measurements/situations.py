"""The situations a compressed network is looked at in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

from bench.compression.measurements.folding import fold_batchnorm
from bench.compression.measurements.setting import Setting
from qubo_dnn.compression.rewriting.recovery import recover

Situation = Literal["as-given", "recovered", "folded"]
"""Rewritten and nothing else; then recovered on the images measured on; rewritten after BatchNorm was folded."""
SITUATIONS: tuple[Situation, ...] = get_args(Situation)

Recover = Callable[[nn.Module, Setting], nn.Module]
"""From a compressed network, which is not changed, and its setting to a recovered one."""


def network(model: nn.Module, situation: Situation) -> nn.Module:
    """The network that is compressed in a situation.

    Raises:
        ModelError: its BatchNorm cannot be folded.
    """
    return fold_batchnorm(model) if situation == "folded" else model


def recovered(model: nn.Module, setting: Setting) -> nn.Module:
    """Recovered on the images measured on; a repair is kept if it lowers the divergence on those judged on."""
    return recover(model, setting.model, setting.measured_on, setting.judge)[0]
