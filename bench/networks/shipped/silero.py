"""Silero VAD, which tells speech from other sounds; the TorchScript of the package silero-vad, written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import folder_of
from bench.networks.shipped.speech import PACKAGE, RATE, SENTENCES, Sound, Utterance, spoken
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import BinaryCrossEntropy
from qubo_dnn.compression.network.inference import logits

_PACKAGE, _FILE = "silero_vad", "data/silero_vad.jit"
_NAMES = {
    **{f"encoder.{n}.": f"conv{n + 1}" for n in range(4)},
    "decoder.rnn.": "lstm_cell",
    "decoder.decoder.": "final_conv",
}
_WINDOW, _CONTEXT, _PAD = 512, 64, 64  # samples of a decision, of the sound before it, reflected behind it
_WINDOWS = 40  # of a clip, 1.28 seconds
_BANDS, _HOP = 129, 128
_VOICES = {"calibration": ("f1", "f3", "m1", "m3", "m5", "klatt"), "test": ("f2", "f4", "m2", "m4", "m6", "klatt2")}
_CALIBRATION, _TEST, _TEST_SEED = 128, 300, 1_000_000


class SileroVad(nn.Module):
    """The network for 16 kHz, over all windows of a clip; the spectral basis is no weight but a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.basis: Tensor
        self.register_buffer("basis", torch.zeros(2 * _BANDS, 1, 2 * _HOP))
        self.conv1 = nn.Conv1d(_BANDS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, sound: Tensor) -> Tensor:
        """Logits of speech [N, windows] of sounds [N, 64 + 512 windows]."""
        windows = sound.unfold(1, _CONTEXT + _WINDOW, _WINDOW)
        count = windows.shape[1]
        spectrum = F.conv1d(F.pad(windows.flatten(0, 1), (0, _PAD), "reflect")[:, None], self.basis, stride=_HOP)
        x = (spectrum[:, :_BANDS].square() + spectrum[:, _BANDS:].square()).sqrt()
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x).relu()
        features = x.reshape(len(sound), count, -1)
        state, hidden = None, []
        for n in range(count):
            state = self.lstm_cell(features[:, n], state)
            hidden.append(state[0])
        speech: Tensor = self.final_conv(torch.stack(hidden, 2).relu()).squeeze(1)
        return speech


def clips(part: str, count: int, seed: int) -> Tensor:
    """Sounds [N, 64 + 512 windows], 1.28 seconds each: three quarters with speech in them, all with noise.

    Speech begins up to 0.8 seconds after the clip or before it, at -35 to -10 dB; noise, whose power falls by 0 to 6 dB
    per octave, lies 0 to 40 dB below, or is alone at -60 to -20 dB.

    Args:
        part: "calibration" or "test", which share neither voices nor sentences.
        count: N.
        seed: of everything.

    Raises:
        MissingExtraError: a package is not installed.
    """
    rng = np.random.default_rng(seed)
    sentences, voices = SENTENCES[::2] if part == "calibration" else SENTENCES[1::2], _VOICES[part]
    spoke = rng.random(count) < 0.75
    said = [
        Utterance(f"en-us+{voices[rng.integers(len(voices))]}", sentences[rng.integers(len(sentences))])
        for _ in range(int(spoke.sum()))
    ]
    sounds = iter(spoken(said))
    return torch.from_numpy(np.stack([_clip(next(sounds) if each else None, rng) for each in spoke]))


def _clip(speech: Sound | None, rng: np.random.Generator) -> Sound:
    length = _CONTEXT + _WINDOW * _WINDOWS
    clip = np.zeros(length)
    level = rng.uniform(-60, -20)
    if speech is not None:
        shift, level = int(rng.uniform(-0.8, 0.8) * RATE), rng.uniform(-35, -10)
        heard = speech[-shift:] if shift < 0 else np.pad(speech, (shift, 0))
        clip[: min(length, len(heard))] = heard[:length] / speech.std() * 10 ** (level / 20)
        level -= rng.uniform(0, 40)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** rng.uniform(0, 1), length)
    noisy: Sound = np.clip(clip + noise / noise.std() * 10 ** (level / 20), -1, 1).astype(np.float32)
    return noisy


def _weights(script: nn.Module) -> dict[str, Tensor]:
    """The weights for 16 kHz by our names."""
    found = {"basis": dict(script.named_buffers())["stft.forward_basis_buffer"]}
    for name, weight in script.named_parameters():
        for theirs, ours in _NAMES.items():
            if name.startswith(theirs):
                found[f"{ours}.{name.rpartition('.')[2]}"] = weight
    return found


def load(seed: int, _folder: Path | None = None) -> ShippedNetwork:
    """The network, sounds, and the share of windows that it takes for speech, or not, as it did.

    Raises:
        MissingExtraError: a package is not installed.
    """
    module = SileroVad()
    script: Any = torch.jit.load(folder_of(_PACKAGE) / _FILE)  # type: ignore[no-untyped-call]  # torch's
    module.load_state_dict(_weights(script._model))
    test = Data.from_tensors(clips("test", _TEST, _TEST_SEED), name="test sounds")
    before = logits(module.eval(), test, BATCH) > 0

    def agreement(model: nn.Module) -> float:
        return float(((logits(model, test, BATCH) > 0) == before).double().mean())

    calibration = Data.from_tensors(clips("calibration", _CALIBRATION, seed), name="sounds")
    return ShippedNetwork(module, calibration, test, agreement, BinaryCrossEntropy())


ENTRY = Entry(
    name="silero-vad",
    packages=(_PACKAGE, PACKAGE),
    task="whether somebody speaks",
    inputs=f"synthesised speech and noise, {_CALIBRATION} and {_TEST} clips of 1.28 s, 40 decisions each",
    metric="decided speech or not as before",
    granularity="group:8",
    seeds=1,
    load=load,
)
