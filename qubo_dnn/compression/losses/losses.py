"""All losses, by name, and how a loss of the user's is loaded."""

from __future__ import annotations

from torch import nn

from qubo_dnn.compression.losses.callable_loss import MAX_HESSIAN_OUTPUTS, CallableLoss
from qubo_dnn.compression.losses.classification_losses import BinaryCrossEntropy, CrossEntropy, kl_divergence
from qubo_dnn.compression.losses.loss import EXACT_OUTPUTS, SAMPLED_PROBES, Loss
from qubo_dnn.compression.losses.regression_losses import AbsoluteError, Cosine, Huber, SquaredError
from qubo_dnn.compression.user_code import foreign_code, resolve
from qubo_dnn.errors import OptionError, suggestion

__all__ = [
    "CROSS_ENTROPY",
    "EXACT_OUTPUTS",
    "LOSS_NAMES",
    "MAX_HESSIAN_OUTPUTS",
    "SAMPLED_PROBES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CallableLoss",
    "Cosine",
    "CrossEntropy",
    "Huber",
    "Loss",
    "SquaredError",
    "kl_divergence",
    "load_loss",
]

CROSS_ENTROPY = CrossEntropy()
_BUILT_IN: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        CROSS_ENTROPY,
        CrossEntropy(axis=-1),
        BinaryCrossEntropy(),
        BinaryCrossEntropy(logits=False),
        SquaredError(),
        AbsoluteError(),
        Huber(),
        Cosine(),
    )
}
LOSS_NAMES = tuple(_BUILT_IN)


def load_loss(text: str) -> Loss:
    """Load a loss by name, or a loss of the user.

    Args:
        text: one of `LOSS_NAMES`, or `package.module:name` of an `nn.Module` or of a callable without arguments that
            returns a callable (outputs, targets) -> mean loss, such as `torch.nn:HuberLoss`.

    Raises:
        OptionError: the loss is unknown, or its factory fails or returns something that is not callable.

    Example:
        >>> load_loss("squared-error").name, load_loss("torch.nn:HuberLoss").name
        ('squared-error', 'torch.nn:HuberLoss')
    """
    if text in _BUILT_IN:
        return _BUILT_IN[text]
    if ":" not in text:
        raise OptionError(
            f"unknown loss {text!r}{suggestion(text, _BUILT_IN)}; the losses are {', '.join(_BUILT_IN)}, and "
            "package.module:factory"
        )
    given = resolve(text, OptionError)
    if callable(given) and not isinstance(given, nn.Module):
        with foreign_code(OptionError, f"{text}: the factory fails"):
            given = given()
    if not callable(given):
        raise OptionError(f"{text}: gives {type(given).__name__}, not a callable (outputs, targets) -> loss")
    return CallableLoss(text, given)
