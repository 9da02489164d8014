"""How well a network does, and running one: accuracy, loss, outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qubo_dnn.compression.network.dataset import BATCH_SIZE, Data
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, Loss
from qubo_dnn.errors import ModelError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a network achieves on data.

    Attributes:
        accuracy: share of images whose largest logit is at their label, 0 to 1; None where the loss is not one of
            classification.
        loss: mean over the images, in the loss's unit.
    """

    accuracy: float | None
    loss: float


def evaluate(
    model: nn.Module,
    data: Data,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
    loss: Loss = CROSS_ENTROPY,
) -> Evaluation:
    """Accuracy and loss over all of `data`; equal to the bit for equal batch sizes and thread counts.

    Args:
        model: its training flags are as before afterwards.
        data: not empty.
        batch_size: images at a time, >= 1.
        progress: called after every batch with the images done and their total.
        loss: that the outputs and targets fit.

    Raises:
        ModelError: outputs are not finite, or not what the loss takes.
        DataError: targets do not fit the outputs, such as a label out of range.
        OptionError: a loss of the caller's fails.
    """
    correct, total, done = 0, 0.0, 0
    with inference(model):
        for images, targets in data.batches(batch_size):
            outputs = forward(model, images)
            loss.check(outputs, targets, data.name)
            if loss.classification:
                correct += int((outputs.argmax(dim=1) == targets).sum())
            total += float(loss(outputs, targets)) * len(targets)
            done += len(targets)
            if progress:
                progress(done, len(data))
    return Evaluation(correct / len(data) if loss.classification else None, total / len(data))


def logits(model: nn.Module, data: Data, batch_size: int = BATCH_SIZE) -> Tensor:
    """Outputs for all of `data`, (N, ...); an ordinary tensor without gradient.

    Raises:
        ModelError: outputs are not a finite tensor (N, ...).
    """
    with inference(model):
        outputs = [forward(model, images) for images, _ in data.batches(batch_size)]
    # Joined outside: tensors born in inference mode cannot take part in a later training loss.
    return torch.cat(outputs)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards every module has its own training flag again."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; see `eval_mode`."""
    with eval_mode(model), torch.inference_mode():
        yield


def forward(model: nn.Module, images: Tensor) -> Tensor:
    """Outputs (N, ...) of `images`.

    Raises:
        ModelError: the model gives something else, or outputs that are not finite.
    """
    outputs = model(images)
    if not isinstance(outputs, Tensor):
        raise ModelError(f"the network gives {type(outputs).__name__}, not a tensor")
    if outputs.dim() == 0 or len(outputs) != len(images) or not outputs.is_floating_point():
        raise ModelError(
            f"the network gives {outputs.dtype} of shape {tuple(outputs.shape)} for {len(images)} images, "
            "not floating-point outputs of shape (images, ...)"
        )
    if not outputs.isfinite().all():
        raise ModelError("the network gives outputs that are not finite")
    return outputs
