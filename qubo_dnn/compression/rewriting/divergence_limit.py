"""When a compressed network is further from the original than the model of the loss said it would be.

The model is quadratic, and measured on few images. It is wrong by some factor wherever changes are large, which rounds
and held-out images deal with. A network that is far beyond its prediction is another matter: its measurement did not
see what compressing it does, and the plan is optimal for the wrong problem.
"""

from __future__ import annotations

FACTOR = 20.0
"""Most times the predicted increase that a network's divergence may be.

Measured (`bench/compression/results`, "Predicted and actual divergence"): the ratio is 0.3 to 4.9 in runs of
ResNet-20 at 2 to 4 bits per weight, worst at 2 bits without repair, and 10 for the trace objective, which takes no
account of how large changes go wrong. Large changes are measured by themselves and then taken to be up to ten times as
bad as the quadratic model says, so that what is beyond 20 is no matter of their size. Where measuring did not see what
a weight does, the ratio is in the hundreds.
"""
SHARE = 0.02
"""Share of `Judge.constant`, the divergence of a network without information, below which nothing is wrong.

At high bit widths predictions are tiny, and twenty times nothing is still nothing.
"""


def divergence_limit(predicted: float, constant: float) -> float:
    """The divergence beyond which a network does not do what was predicted of it.

    Args:
        predicted: divergence that was expected of the plan; below zero it counts as zero.
        constant: divergence of a network that gives the same outputs for every image, in the same unit.
    """
    return max(FACTOR * predicted, SHARE * constant, 0.0)


def describe_divergence(divergence: float, predicted: float, limit: float) -> str:
    """A warning of one line about a network beyond its limit."""
    return (
        f"the compressed network is not what was predicted: its held-out divergence is {divergence:.4g}, the predicted "
        f"one {max(predicted, 0.0):.4g}; the limit of {limit:.4g} is {FACTOR:g} times the predicted divergence, and at "
        f"least {100 * SHARE:g} % of that of a network with constant outputs"
    )
