"""The situations a compressed network is looked at in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

from bench.compression.folding import fold_batchnorm
from bench.compression.setting import Setting
from qubo_dnn.compression.loss import CROSS_ENTROPY

Situation = Literal["as-given", "recovered", "folded"]
"""Rewritten and nothing else; then recovered on the images measured on; rewritten after BatchNorm was folded."""
SITUATIONS: tuple[Situation, ...] = get_args(Situation)

Recover = Callable[[nn.Module, Setting], nn.Module]
"""From a compressed network and its setting to a recovered copy."""


def network(model: nn.Module, situation: Situation) -> nn.Module:
    """The network that is compressed in a situation.

    Raises:
        ModelError: its BatchNorm cannot be folded.
    """
    return fold_batchnorm(model) if situation == "folded" else model


def recovered(model: nn.Module, setting: Setting) -> nn.Module:
    """A copy recovered on the images that were measured on; each step is kept if the held-out loss falls."""
    from qubo_dnn.compression.recovery import recover_

    copied = copy.deepcopy(model)
    recover_(copied, setting.model, setting.measured_on, setting.held_out, CROSS_ENTROPY)
    return copied
