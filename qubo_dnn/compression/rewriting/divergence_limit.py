"""Detect a compressed network that differs from the original far more than the loss model predicted.

The model is quadratic and measured on few images. It is inaccurate for large changes; the rounds of the search and
held-out images correct for that. A network far beyond its prediction is a different case: the measurement missed an
effect of the compression, and the plan is optimal for the wrong problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FACTOR = 20.0
"""Largest allowed ratio of the divergence of a network to the predicted increase.

Measured (`bench/compression/results`, "Predicted and actual divergence"): the ratio is 0.3 to 4.9 in runs of
ResNet-20 at 2 to 4 bits per weight, worst at 2 bits without repair, and 10 for the trace objective, which
ignores the nonlinearity of large changes. Large changes are measured separately and counted with up to ten times their
quadratic loss, so their size alone does not explain a ratio above 20. If the measurement misses the effect of a weight,
the ratio is in the hundreds.
"""
SHARE = 0.02
"""Share of `HeldOutDivergence.constant`, the divergence of a network without information; less is always accepted.

At high bit widths predictions are tiny, and so is twenty times the prediction.
"""

LOST = 0.25
"""Share of the divergence of a network without information from which a warning appears, whatever was predicted.

Small networks with tight budgets can have predictions far beyond that, so that `FACTOR` times them warns of nothing.
"""


def divergence_limit(predicted: float, constant: float) -> float:
    """Return the largest divergence that is consistent with a prediction.

    Args:
        predicted: predicted divergence of the plan; negative values count as zero.
        constant: divergence of a network with the same outputs for every image, in the same unit.

    Example:
        >>> divergence_limit(predicted=0.01, constant=2.0), divergence_limit(predicted=0.0, constant=2.0)
        (0.2, 0.04)
    """
    return max(FACTOR * predicted, SHARE * constant, 0.0)


def describe_divergence(divergence: float, predicted: float, limit: float) -> str:
    """Return a warning of one line about a network beyond its limit.

    Example:
        >>> print(describe_divergence(0.5, predicted=0.01, limit=0.2)[:80])
        the compressed network is not what was predicted: its held-out divergence is 0.5
    """
    return (
        f"the compressed network is not what was predicted: its held-out divergence is {divergence:.4g}, the predicted "
        f"one {max(predicted, 0.0):.4g}; the limit of {limit:.4g} is {FACTOR:g} times the predicted divergence, and at "
        f"least {100 * SHARE:g} % of that of a network with constant outputs"
    )


def describe_lost(divergence: float, constant: float) -> str:
    """Return a warning of one line about a network that has lost much of what the original says.

    Example:
        >>> print(describe_lost(1.0, constant=2.0)[:69])
        the compressed network has lost much: its held-out divergence of 1 is
    """
    return (
        f"the compressed network has lost much: its held-out divergence of {divergence:.4g} is "
        f"{100 * divergence / constant:.0f} % of that of a network with constant outputs; allow a larger budget, or "
        "more calibration inputs"
    )


def share_text(held_out: Mapping[str, Any]) -> str:
    """Return the share of a divergence in that of a network with constant outputs in brackets, "" if it is unknown.

    Args:
        held_out: `held_out_divergence` of a result, see `qubo_dnn.compression.result.result`.

    Example:
        >>> share_text({"recovered": 0.0185, "constant": 1.85}), share_text({"recovered": 0.0185})
        (' (1.0 % of constant outputs)', '')
    """
    constant = held_out.get("constant")
    return f" ({100 * held_out['recovered'] / constant:.1f} % of constant outputs)" if constant else ""
