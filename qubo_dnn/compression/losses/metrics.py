"""Metrics of the user: one number of all outputs and targets, larger where the network is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.user_code import foreign_code, resolve
from qubo_dnn.errors import OptionError


@dataclass(frozen=True)
class Metric:
    """A metric of the user.

    Attributes:
        name: its name, for messages.
        function: called with the compared outputs [N, ...] and the targets [N, ...], or None without targets; returns a
            finite number, larger for a better network.

    Example:
        >>> mean = Metric("mean", lambda outputs, targets: outputs.mean())
        >>> mean(torch.ones(2, 3), Data.from_tensors(torch.zeros(2, 3)))
        1.0
    """

    name: str
    function: Callable[[Tensor, Tensor | None], object]

    def __call__(self, outputs: Tensor, data: Data) -> float:
        """Return the value for all outputs on the data.

        Raises:
            OptionError: the function fails, or does not return a finite number.
        """
        with foreign_code(OptionError, f"the metric {self.name} fails"), torch.no_grad():
            given = self.function(outputs, data.targets)
        try:
            value = float(given)  # type: ignore[arg-type]  # whatever it is, float says whether it is a number
        except (TypeError, ValueError, RuntimeError) as cause:
            raise OptionError(f"the metric {self.name} gives {type(given).__name__}, not a number") from cause
        if not math.isfinite(value):
            raise OptionError(f"the metric {self.name} is not finite")
        return value


def load_metric(text: str) -> Metric:
    """Load a metric named as `package.module:function`.

    Raises:
        OptionError: there is no such function.

    Example:
        >>> load_metric("torch:no_such_metric")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OptionError: module 'torch' has no 'no_such_metric'
    """
    given = resolve(text, OptionError)
    if not callable(given):
        raise OptionError(f"{text}: is {type(given).__name__}, not a function of (outputs, targets)")
    return Metric(text, given)
