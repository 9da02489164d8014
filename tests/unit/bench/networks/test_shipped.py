from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.networks.shipped.crepe import tones
from bench.networks.shipped.graphemes import GraphemesToPhonemes
from bench.networks.shipped.roster import ENTRIES, at_hand
from bench.networks.shipped.silero import SileroVad
from bench.networks.shipped.windows import windows
from qubo_dnn.errors import MissingExtraError


def test_tones_have_the_pitches_that_are_given() -> None:
    sounds, cents = tones(40, seed=3)
    assert np.allclose(sounds.mean(1), 0, atol=1e-5)
    assert np.allclose(sounds.std(1), 1, atol=1e-4)
    low = cents < 1200 * np.log2(30)  # below 300 Hz, where several periods and harmonics are in a window
    for sound, pitch in zip(sounds[low], cents[low], strict=True):
        frequency = 10 * 2 ** (pitch / 1200)
        power = np.abs(np.fft.rfft(sound, 1 << 16)) ** 2
        lines = [power[round(k * frequency * (1 << 16) / 16000)] for k in range(1, 6)]
        between = [power[round((k + 0.5) * frequency * (1 << 16) / 16000)] for k in range(1, 6)]
        assert sum(lines) > 4 * sum(between)


def test_tones_come_of_their_seed() -> None:
    assert np.array_equal(tones(3, seed=1)[0], tones(3, seed=1)[0])
    assert not np.array_equal(tones(3, seed=1)[0], tones(3, seed=2)[0])


def test_a_speech_detector_decides_about_every_window() -> None:
    torch.manual_seed(0)
    network = SileroVad().eval()
    torch.nn.init.normal_(network.basis)
    sound = torch.randn(2, 64 + 512 * 5)
    with torch.no_grad():
        speech = network(sound)
        changed = network(torch.cat([sound[:, : 64 + 512 * 3], torch.zeros(2, 512 * 2)], 1))
    assert speech.shape == (2, 5)
    assert torch.allclose(speech[:, :3], changed[:, :3], atol=1e-6)
    assert not torch.allclose(speech[:, 3:], changed[:, 3:], atol=1e-3)


def test_padding_of_words_changes_nothing() -> None:
    torch.manual_seed(0)
    network = GraphemesToPhonemes(8).eval()
    word, spoken = torch.tensor([[3, 4, 5, 2]]), torch.tensor([[2, 7, 8]])
    with torch.no_grad():
        short = network(word, spoken)
        padded = network(torch.tensor([[3, 4, 5, 2, 0, 0]]), torch.tensor([[2, 7, 8, 0]]))
    assert torch.allclose(short, padded[:, :3], atol=1e-6)


def test_windows_of_calibration_and_test_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every patch and every half of a photograph has a grey value of its own."""
    patches = np.broadcast_to(np.arange(200)[:, None, None] / 1000, (200, 25, 25))
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "lfw_subset.npy", patches)
    photograph = np.full((3, 140, 300), 0.5, np.float32)
    photograph[:, :, 150:] = 0.75
    monkeypatch.setattr("bench.networks.shipped.windows.folder_of", lambda _: tmp_path)
    monkeypatch.setattr("bench.networks.shipped.windows._photographs", lambda: [photograph])
    seen = [
        {round(1000 * float(each)) for each in windows(60, 12, seed=0, part=part).mean((1, 2, 3))} for part in (0, 1)
    ]
    assert not seen[0] & seen[1]
    assert 500 in seen[0]
    assert 750 in seen[1]
    assert windows(60, 12, seed=0, part=0).shape == (60, 3, 12, 12)


def test_what_is_missing_is_left_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def find(package: str) -> Path:
        if package == "torchcrepe":
            raise MissingExtraError("torchcrepe is not installed")
        return Path()

    monkeypatch.setattr("bench.networks.shipped.network.folder_of", find)
    pnet, crepe, efficientnet = (ENTRIES[name] for name in ("pnet", "crepe-tiny", "efficientnet-lite0"))
    assert list(at_hand([pnet, crepe, efficientnet], None)) == [pnet]
    assert list(at_hand([efficientnet], Path())) == [efficientnet]
    assert capsys.readouterr().out.splitlines() == [
        "crepe-tiny: left out, torchcrepe is not installed",
        "efficientnet-lite0: left out, its images are those of --data",
    ]
