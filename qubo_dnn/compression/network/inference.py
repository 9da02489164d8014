"""Run a network: outputs, accuracy and loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import BATCH_SIZE, Data
from qubo_dnn.compression.data.dataset_sources import IGNORED
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.losses.joint_loss import JointLoss
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.losses.metrics import Metric
from qubo_dnn.compression.network.outputs import compared

Progress = Callable[[int, int], None]
_MOST_KEPT = 1 << 30


@dataclass(frozen=True)
class Evaluation:
    """Accuracy, loss and the user's metric of a network on data.

    Attributes:
        accuracy: share of labels that the largest logit is at, 0 to 1; None without labels, or if the loss is not a
            classification loss.
        loss: mean loss over the images, in the unit of the loss; None without targets.
        metric: value of the user's metric; None without one.
        divergence: mean divergence from a reference network, in the unit of the loss; None without one.

    Example:
        >>> Evaluation(accuracy=0.9, loss=0.3).accuracy
        0.9
    """

    accuracy: float | None
    loss: float | None
    metric: float | None = None
    divergence: float | None = None


class KeptOutputs:
    """Outputs of a network for every batch, as long as they take no more than 1 GiB.

    Attributes:
        batches: the outputs; None if they would take more.

    Example:
        >>> kept = KeptOutputs()
        >>> kept.add(torch.zeros(2, 3))
        >>> len(kept.batches)
        1
    """

    def __init__(self) -> None:
        self.batches: list[Tensor] | None = []
        self._bytes = 0

    def add(self, outputs: Tensor) -> None:
        """Keep the outputs of another batch, or forget all of them."""
        self._bytes += outputs.nbytes
        if self._bytes > _MOST_KEPT:
            self.batches = None
        if self.batches is not None:
            self.batches.append(outputs)


def evaluate(
    model: nn.Module,
    data: Data,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
    loss: Loss = CROSS_ENTROPY,
    *,
    metric: Metric | None = None,
    reference: nn.Module | Sequence[Tensor] | None = None,
    kept: KeptOutputs | None = None,
) -> Evaluation:
    """Measure accuracy and loss on `data`; equal batch sizes and thread counts give identical bits.

    Args:
        model: the network; its training flags are restored at the end.
        data: images, not empty, with or without targets.
        batch_size: images per batch, >= 1.
        progress: called after every batch with the number of images done and their total.
        loss: loss function for the outputs and targets.
        metric: a metric of the user, of all outputs and targets; they are then held in memory.
        reference: another network, to measure the divergence from, or its outputs for every batch.
        kept: receives the outputs.

    Raises:
        ModelError: outputs are not finite, or the loss does not accept them.
        DataError: targets do not fit the outputs, for example a label is out of range.
        OptionError: the user's loss or metric fails.

    Example:
        >>> data = Data.from_tensors(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        >>> evaluate(nn.Identity(), data).accuracy  # the second image has its largest logit at 1
        0.5
    """
    labelled = data.has_targets and not isinstance(loss, JointLoss)
    correct, counted, total, apart, done = 0, 0, 0.0, 0.0, 0
    every: list[Tensor] = []
    other, known = (reference, None) if isinstance(reference, nn.Module) else (None, reference)
    with inference(model), nullcontext() if other is None else inference(other):
        for number, (inputs, targets) in enumerate(data.batches(batch_size)):
            outputs = forward(model, inputs).cpu()
            if kept is not None:
                kept.add(outputs)
            done += len(inputs)
            if labelled and targets is not None:
                loss.check(outputs, targets, data.name)
                if loss.classification:
                    right = hits(outputs, targets, getattr(loss, "axis", 1))
                    correct, counted = correct + int(right.sum()), counted + right.numel()
                total += float(loss(outputs, targets)) * len(inputs)
            if other is not None:
                apart += loss.divergence(forward(other, inputs).cpu(), outputs, targets) * len(inputs)
            elif known is not None:
                apart += loss.divergence(known[number], outputs, targets) * len(inputs)
            if metric is not None:
                every.append(outputs)
            if progress:
                progress(done, len(data))
    return Evaluation(
        accuracy=correct / counted if counted else None,
        loss=total / len(data) if labelled else None,
        metric=None if metric is None else metric(torch.cat(every).clone(), data),
        divergence=None if reference is None else apart / len(data),
    )


def hits(outputs: Tensor, targets: Tensor, axis: int = 1) -> Tensor:
    """Return whether the largest logit is at the label, bool [labels], for all labels that are not padding (-100).

    Args:
        outputs: logits [N, ...] with the classes on some axis.
        targets: labels [N, ...].
        axis: axis of the classes; if the labels do not fit this axis, the last one.

    Example:
        >>> hits(torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]]), torch.tensor([0, 0, -100])).tolist()
        [True, False]
    """
    largest = outputs.argmax(axis)
    if largest.shape != targets.shape:
        largest = outputs.argmax(-1)
    return (largest == targets)[targets != IGNORED]


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
        outputs = [forward(model, inputs).cpu() for inputs, _ in data.batches(batch_size)]
    # Concatenate outside: tensors made in inference mode cannot enter a later training loss.
    return torch.cat(outputs)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode; at the end, the training flag of every module is restored.

    Every layer of an `nn.TransformerEncoder` is called: PyTorch's fused path, which skips them, is switched off.

    Example:
        >>> network = nn.Sequential(nn.Dropout()).train()
        >>> with eval_mode(network):
        ...     inside = network.training
        >>> inside, network.training
        (False, True)
    """
    flags = [(module, module.training) for module in model.modules()]
    # Where there is padding, the fused path also replaces activations by nested tensors.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    model.eval()
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
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


def forward(model: nn.Module, inputs: Tensor | Inputs) -> Tensor:
    """Return the compared outputs (N, ...), see `qubo_dnn.compression.network.outputs.compared`.

    Args:
        model: the network.
        inputs: all inputs, or a tensor as the only one.

    Raises:
        ModelError: the model returns no floating-point tensor (N, ...), or its outputs are not finite.
        OptionError: the network has no output of the name that is compared.

    Example:
        >>> forward(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """
    inputs = Inputs.of(inputs)
    return compared(inputs.call(model), inputs)


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
