"""How well a network does: accuracy, cross-entropy, and the distance between two networks' outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data import BATCH_SIZE, Data
from qubo_dnn.errors import DataError, ModelError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a network achieves on data.

    Attributes:
        accuracy: share of images whose largest logit is at their label, 0 to 1.
        loss: mean cross-entropy, in nats.
    """

    accuracy: float
    loss: float


def evaluate(
    model: nn.Module, data: Data, batch_size: int = BATCH_SIZE, progress: Progress | None = None
) -> Evaluation:
    """Accuracy and loss over all of `data`; equal to the bit for equal batch sizes and thread counts.

    Args:
        model: gives logits (N, classes); its training flags are as before afterwards.
        data: not empty.
        batch_size: images at a time, >= 1.
        progress: called after every batch with the images done and their total.

    Raises:
        ModelError: outputs are not finite logits (N, classes).
        DataError: a label is out of the network's range.
    """
    correct, loss, done = 0, 0.0, 0
    with inference(model):
        for images, labels in data.batches(batch_size):
            outputs = forward(model, images)
            check_labels(labels, outputs.shape[1], data.name)
            correct += int((outputs.argmax(dim=1) == labels).sum())
            loss += float(F.cross_entropy(outputs.double(), labels, reduction="sum"))
            done += len(labels)
            if progress:
                progress(done, len(data))
    return Evaluation(correct / len(data), loss / len(data))


def logits(model: nn.Module, data: Data, batch_size: int = BATCH_SIZE) -> Tensor:
    """Outputs for all of `data`, float32 (N, classes); an ordinary tensor without gradient.

    Raises:
        ModelError: outputs are not finite logits (N, classes).
    """
    with inference(model):
        outputs = [forward(model, images) for images, _ in data.batches(batch_size)]
    # Joined outside: tensors born in inference mode cannot take part in a later training loss.
    return torch.cat(outputs)


def kl_divergence(reference_logits: Tensor, other_logits: Tensor) -> float:
    """Mean over the images of KL(reference || other), in nats, >= 0.

    Args:
        reference_logits: (N, classes).
        other_logits: (N, classes).

    Raises:
        ModelError: the shapes differ.
    """
    if reference_logits.shape != other_logits.shape:
        shapes = f"{tuple(reference_logits.shape)} and {tuple(other_logits.shape)}"
        raise ModelError(f"logits of shapes {shapes} cannot be compared")
    reference = F.log_softmax(reference_logits.detach().double(), dim=1)
    other = F.log_softmax(other_logits.detach().double(), dim=1)
    divergence = F.kl_div(other, reference, reduction="batchmean", log_target=True)
    return max(0.0, float(divergence))  # rounding may leave equal logits at -1e-17


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
    """Logits (N, classes) of `images`.

    Raises:
        ModelError: the model gives something else, or logits that are not finite.
    """
    outputs = model(images)
    if not isinstance(outputs, Tensor):
        raise ModelError(f"the network gives {type(outputs).__name__}, not a tensor of logits")
    if outputs.dim() != 2 or len(outputs) != len(images) or not outputs.is_floating_point():
        raise ModelError(
            f"the network gives {outputs.dtype} of shape {tuple(outputs.shape)} for {len(images)} images, "
            "not logits of shape (images, classes)"
        )
    if not outputs.isfinite().all():
        raise ModelError("the network gives logits that are not finite")
    return outputs


def check_labels(labels: Tensor, classes: int, name: str) -> None:
    """Raise `DataError` when a label in `labels`, int64 (N,), has no output among `classes`."""
    largest = int(labels.max())
    if largest >= classes:
        raise DataError(f"{name}: labels out of range: label {largest}, the network has {classes} outputs")
