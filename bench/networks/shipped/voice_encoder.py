"""The voice encoder of resemblyzer, three LSTMs, trained as in Wan et al. 2018 (arXiv 1710.10467)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import module_of
from bench.networks.shipped.speech import PACKAGE, RATE, SENTENCES, Utterance, spoken
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Cosine
from qubo_dnn.compression.network.inference import logits

_PACKAGE = "resemblyzer"
_FRAMES = 160  # 1.6 seconds, what the encoder was trained with
_VOICES = {
    "calibration": ("f1", "f3", "f5", "m1", "m3", "m5", "m7", "klatt", "klatt3", "croak", "linda", "Andy"),
    "test": ("f2", "f4", "m2", "m4", "m6", "m8", "klatt2", "klatt4", "steph", "Alex", "belinda", "Gene"),
}
_CALIBRATION, _TEST, _TEST_SEED = 192, 240, 1_000_000


def clips(part: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Mel spectrograms [N, frames, 40] of 1.6 seconds, and the number of the voice of each.

    Voices say every sentence of their half of the sentences; a clip begins anywhere in one, and has white noise 20 to
    50 dB below the speech.

    Args:
        part: "calibration" or "test", which share neither voices nor sentences.
        count: N, as many from every voice.
        seed: of the sentences, the places and the noise.

    Raises:
        MissingExtraError: a package is not installed.
    """
    rng = np.random.default_rng(seed)
    sentences = SENTENCES[::2] if part == "calibration" else SENTENCES[1::2]
    said = [
        Utterance(f"en-us+{voice}", sentences[rng.integers(len(sentences))], int(rng.integers(150, 200)))
        for voice in _VOICES[part]
        for _ in range(count // len(_VOICES[part]))
    ]
    audio = module_of(f"{_PACKAGE}.audio", {"webrtcvad": {}})
    found = []
    for sound in spoken(said):
        noise = rng.standard_normal(len(sound)) * sound.std() * 10 ** (-rng.uniform(20, 50) / 20)
        loud = audio.normalize_volume(sound + noise, audio.audio_norm_target_dBFS, increase_only=True)
        length = _FRAMES * RATE * audio.mel_window_step // 1000
        first = rng.integers(max(1, len(loud) - length))
        padded = np.pad(loud[first : first + length], (0, max(0, length - len(loud[first:]))))
        found.append(audio.wav_to_mel_spectrogram(padded.astype(np.float32))[:_FRAMES])
    voices = torch.arange(len(_VOICES[part])).repeat_interleave(count // len(_VOICES[part]))
    return torch.from_numpy(np.stack(found)), voices


def load(seed: int, _folder: Path | None = None) -> ShippedNetwork:
    """The encoder, clips of speech, and the share of clips whose nearest other clip has the same voice.

    Raises:
        MissingExtraError: a package is not installed.
    """
    encoder = module_of(f"{_PACKAGE}.voice_encoder", {_PACKAGE: {"audio": None}}).VoiceEncoder("cpu", verbose=False)
    calibration, _ = clips("calibration", _CALIBRATION, seed)
    spectrograms, voices = clips("test", _TEST, _TEST_SEED)
    test = Data.from_tensors(spectrograms, name="test speech")

    def recognised(model: nn.Module) -> float:
        embeddings = nn.functional.normalize(logits(model, test, BATCH))
        nearest = (embeddings @ embeddings.T).fill_diagonal_(-1.0).argmax(1)
        return float((voices[nearest] == voices).double().mean())

    return ShippedNetwork(encoder.eval(), Data.from_tensors(calibration, name="speech"), test, recognised, Cosine())


ENTRY = Entry(
    name="resemblyzer",
    packages=(_PACKAGE, PACKAGE, "librosa"),
    task="whose voice it is",
    inputs=f"synthesised speech of 12 voices, and 12 others for the test, {_CALIBRATION} and {_TEST} clips of 1.6 s",
    metric="nearest other clip is of the same voice",
    granularity="group:16",
    seeds=1,
    load=load,
)
