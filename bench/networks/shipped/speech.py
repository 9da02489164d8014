"""Speech, spoken by the synthesiser eSpeak NG, which ships in the package espeakng-loader."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from bench.networks.shipped.packages import folder_of

Sound = NDArray[np.float32]
RATE = 16000
"""Samples per second."""

PACKAGE = "espeakng_loader"
_LIBRARY, _DATA = "libespeak-ng.so", "espeak-ng-data"
_UP, _DOWN = 320, 441  # to RATE from the synthesiser's 22,050 Hz
_SYNCHRONOUS, _CHARACTERS, _UTF8 = 2, 1, 1
_SPEED, _PITCH = 1, 3

# The first two lists of the Harvard sentences, IEEE Recommended Practice for Speech Quality Measurements, 1969.
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.",
    "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.",
    "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.",
    "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
)


class Utterance(NamedTuple):
    """What is said.

    Attributes:
        voice: of the synthesiser, such as "en-us+f2".
        text: in English.
        speed: words per minute, 80 to 450.
        pitch: 0 to 100.
    """

    voice: str
    text: str
    speed: int = 175
    pitch: int = 50


def spoken(utterances: Iterable[Utterance]) -> list[Sound]:
    """The sounds of utterances, -1 to 1, at `RATE`; the same utterances in the same order give the same sounds.

    Raises:
        MissingExtraError: the synthesiser is not installed.
    """
    place = folder_of(PACKAGE)
    with tempfile.TemporaryDirectory() as folder:
        # A copy is another library to the loader. What the synthesiser says depends on all that it said before.
        library = ctypes.CDLL(str(shutil.copy(place / _LIBRARY, Path(folder))))
        library.espeak_Initialize(_SYNCHRONOUS, 0, str(place / _DATA).encode(), 0)
        pieces: list[NDArray[np.int16]] = []

        def heard(samples: Any, count: int, _events: int | None) -> int:
            if samples and count > 0:
                pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        callback = kind(heard)
        library.espeak_SetSynthCallback(callback)
        try:
            return [_say(library, each, pieces) for each in utterances]
        finally:
            library.espeak_Terminate()


def _say(library: ctypes.CDLL, utterance: Utterance, pieces: list[NDArray[np.int16]]) -> Sound:
    pieces.clear()
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_SetVoiceByName(utterance.voice.encode())
    library.espeak_SetParameter(_SPEED, utterance.speed, 0)
    library.espeak_SetParameter(_PITCH, utterance.pitch, 0)
    text = utterance.text.encode()
    library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, _CHARACTERS, 0, _UTF8, None, None)
    return np.asarray(resample_poly(np.concatenate(pieces) / 2**15, _UP, _DOWN), np.float32)
