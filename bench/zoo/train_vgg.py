"""Train the network of `bench.zoo.vgg` with the ResNet-20 of the same folder as its teacher.

OMP_NUM_THREADS=1 python -m bench.zoo.train_vgg --data DIR --out vgg.safetensors
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.command import finish, make_parser
from bench.zoo.vgg import load_images, vgg
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import eval_mode, evaluate

BATCH = 64
LEARNING_RATE, WEIGHT_DECAY, EMA_DECAY = 4e-3, 2e-2, 0.995
SHIFT = 4
"""Pixels by which images are shifted at most."""
TEMPERATURE = 2.0


def augment(images: Tensor) -> Tensor:
    """Return images (N, 3, S, S), each shifted and flipped or not, and then mixed with another one of them.

    Example:
        >>> augment(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """
    count, _, side, _ = images.shape
    padded = F.pad(images, [SHIFT] * 4, mode="reflect")
    starts = torch.randint(0, 2 * SHIFT + 1, (count, 2)).tolist()
    shifted = torch.stack(
        [image[:, top : top + side, left : left + side] for image, (top, left) in zip(padded, starts, strict=True)]
    )
    flipped = torch.where(torch.rand(count, 1, 1, 1) < 0.5, shifted.flip(3), shifted)
    share = torch.rand(count, 1, 1, 1)
    return share * flipped + (1.0 - share) * flipped[torch.randperm(count)]


def train(teacher: nn.Module, images: Data, epochs: int, seed: int) -> nn.Module:
    """Return the network after `epochs` passes, its weights an exponential average.

    Its outputs are to be those of the teacher on the augmented images; labels are not used (Beyer et al. 2022,
    "Knowledge distillation: a good teacher is patient and consistent").

    Args:
        teacher: a classifier.
        images: to train on.
        epochs: passes over the images.
        seed: of weights, order and augmentation.
    """
    torch.manual_seed(seed)
    pixels = torch.cat([inputs.only for inputs, _ in images.batches()])
    # A quarter quicker on a CPU.
    network, teacher = (_laid_out(each, torch.channels_last) for each in (vgg(), teacher))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)  # type: ignore[no-untyped-call]  # torch has no types here
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = math.ceil(len(pixels) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, epochs=epochs, steps_per_epoch=steps)
    with eval_mode(teacher):
        for epoch in range(epochs):
            start, total = time.perf_counter(), 0.0
            for chosen in torch.randperm(len(pixels)).split(BATCH):  # type: ignore[no-untyped-call]  # torch has no types here
                mixed = augment(pixels[chosen]).contiguous(memory_format=torch.channels_last)
                with torch.no_grad():
                    target = F.log_softmax(teacher(mixed) / TEMPERATURE, 1)
                output = F.log_softmax(network(mixed) / TEMPERATURE, 1)
                loss = F.kl_div(output, target, log_target=True, reduction="batchmean")
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
                optimizer.step()
                schedule.step()
                average.update_parameters(network)
                total += loss.item()
            print(f"epoch {epoch + 1}: {total / steps:.4f} nats, {time.perf_counter() - start:.1f} s", flush=True)
    return _laid_out(average.module, torch.contiguous_format)


def _laid_out(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    moved: nn.Module = network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's types do not know it
    return moved


def main() -> None:
    """Train, save and test."""
    parser = make_parser(__doc__, "--data", "--seed")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--epochs", type=int, default=75)
    words = parser.parse_args()
    torch.set_num_threads(1)
    teacher, training, _, test = load_images(words.data)
    started = time.process_time()
    network = train(teacher, training, words.epochs, words.seed)
    save_file(network.state_dict(), words.out)
    seconds, result = time.process_time() - started, evaluate(network, test)
    print(f"{words.out}: {seconds:.0f} CPU seconds, test accuracy {result.accuracy:.4f}, loss {result.loss:.4f}")


if __name__ == "__main__":
    finish(main)
