"""Run a network: outputs, accuracy and loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from qubo_dnn.compression.network.dataset import BATCH_SIZE, Data
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, Loss
from qubo_dnn.errors import ModelError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Accuracy and loss of a network on data.

    Attributes:
        accuracy: share of labels that the largest logit is at, 0 to 1; None if the loss is not a
            classification loss.
        loss: mean loss over the images, in the unit of the loss.

    Example:
        >>> Evaluation(accuracy=0.9, loss=0.3).accuracy
        0.9
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
    """Measure accuracy and loss on `data`; equal batch sizes and thread counts give identical bits.

    Args:
        model: the network; its training flags are restored at the end.
        data: images and targets, not empty.
        batch_size: images per batch, >= 1.
        progress: called after every batch with the number of images done and their total.
        loss: loss function for the outputs and targets.

    Raises:
        ModelError: outputs are not finite, or the loss does not accept them.
        DataError: targets do not fit the outputs, for example a label is out of range.
        OptionError: the user's loss fails.

    Example:
        >>> data = Data.from_tensors(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        >>> evaluate(nn.Identity(), data).accuracy  # the second image has its largest logit at 1
        0.5
    """
    correct, counted, total, done = 0, 0, 0.0, 0
    with inference(model):
        for images, targets in data.batches(batch_size):
            outputs = forward(model, images).cpu()
            loss.check(outputs, targets, data.name)
            if loss.classification:
                axis = getattr(loss, "axis", 1)
                correct += int((outputs.argmax(dim=axis) == targets).sum())
                counted += targets.numel()
            total += float(loss(outputs, targets)) * len(targets)
            done += len(targets)
            if progress:
                progress(done, len(data))
    return Evaluation(correct / counted if counted else None, total / len(data))


def logits(model: nn.Module, data: Data, batch_size: int = BATCH_SIZE) -> Tensor:
    """Return the outputs for all of `data`, (N, ...), an ordinary tensor without gradient, on the CPU.

    Raises:
        ModelError: outputs are not a finite tensor (N, ...).

    Example:
        >>> data = Data.from_tensors(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1]))
        >>> logits(nn.Identity(), data).tolist()
        [[2.0, 0.0], [0.0, 3.0]]
    """
    with inference(model):
        outputs = [forward(model, images).cpu() for images, _ in data.batches(batch_size)]
    # Concatenate outside: tensors made in inference mode cannot enter a later training loss.
    return torch.cat(outputs)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode; at the end, the training flag of every module is restored.

    Example:
        >>> network = nn.Sequential(nn.Dropout()).train()
        >>> with eval_mode(network):
        ...     inside = network.training
        >>> inside, network.training
        (False, True)
    """
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode without gradients; see `eval_mode`.

    Example:
        >>> network = nn.Linear(3, 2)
        >>> with inference(network):
        ...     network(torch.zeros(1, 3)).requires_grad
        False
    """
    with eval_mode(model), torch.inference_mode():
        yield


def forward(model: nn.Module, images: Tensor) -> Tensor:
    """Return the outputs (N, ...) for `images`, on the device of the model, to which the images are moved.

    Raises:
        ModelError: the model returns something else, or its outputs are not finite.

    Example:
        >>> forward(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """
    outputs = model(images.to(device_of(model)))
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


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the first tensor of a network; the CPU if it has none.

    Example:
        >>> device_of(nn.Linear(3, 2))
        device(type='cpu')
    """
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode with gradients; at the end, both are restored.

    Example:
        >>> with torch.no_grad(), measuring(nn.Linear(3, 2)):
        ...     torch.is_grad_enabled()
        True
    """
    # cuDNN has no gradients of recurrent layers in eval mode; the kernels of torch have.
    with eval_mode(model), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        yield
