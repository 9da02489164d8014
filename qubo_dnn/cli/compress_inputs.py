"""Parse the arguments of `qubo-dnn compress`: shares, numbers, folders and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qubo_dnn.errors import DataError, OptionError, OutputError

if TYPE_CHECKING:
    from torch import nn

    from qubo_dnn.compression.data.dataset import Data
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.zoo import ZooEntry

_MOST_IMAGES = 1024


def share(text: str) -> float:
    """Parse a share such as "1%" or "0.01".

    Raises:
        OptionError: the text is not a number.
    """
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError as cause:
        raise OptionError(f"{text!r} is not a share such as 1% or 0.01") from cause


def numbers(option: str, text: str | None) -> list[float] | None:
    """Parse comma-separated numbers; None stands for "not given".

    Args:
        option: name of the option, for error messages.
        text: the text as typed.

    Raises:
        OptionError: a part is not a number.
    """
    try:
        return None if text is None else [float(piece) for piece in text.split(",")]
    except ValueError as cause:
        raise OptionError(f"{option} takes numbers separated by commas, not {text!r}") from cause


def axes(text: str) -> int | dict[str, int]:
    """Parse the batch axis: a number, or comma-separated INPUT=NUMBER.

    Raises:
        OptionError: the text has neither form.
    """
    if text.isascii() and text.isdecimal():
        return int(text)
    pairs = [piece.rpartition("=") for piece in text.split(",")]
    if not all(name and number.isascii() and number.isdecimal() for name, _, number in pairs):
        raise OptionError(f"--batch-axis takes a number or INPUT=NUMBER,INPUT=NUMBER, not {text!r}")
    return {name: int(number) for name, _, number in pairs}


def measurements_folder(out: Path, checkpoints: Path | None) -> Path:
    """Return the folder of measurements: `checkpoints`, or OUT.measured.

    Raises:
        OutputError: it is not a folder and cannot become one.
    """
    whole = out.resolve()  # "." has no name
    folder = checkpoints or whole.with_name(f"{whole.name}.measured")
    if any(path.exists() and not path.is_dir() for path in (folder, *folder.parents)):
        raise OutputError(f"measurements cannot be kept in {folder}: it is not a folder, nor can it become one")
    return folder


@dataclass(frozen=True)
class Images:
    """The images of a network: from files, or those of a network of the zoo.

    Args:
        network: the network as typed.
        calibration, test: the sources as typed, or None.
        mean, std: mean and standard deviation per channel, for images in files.
        interface: batch axis of the inputs, and mask of the outputs.
        size: number of calibration images to draw; None: all, at most 1024.
        seed: random seed.

    Raises:
        OptionError: `mean` or `std` is given, but no file.
    """

    network: str
    calibration: str | None
    test: str | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    interface: Interface
    size: int | None
    seed: int

    def __post_init__(self) -> None:
        if self.calibration is None and self.test is None and (self.mean or self.std):
            raise OptionError("--mean and --std are for the images of --calibration and --test, and neither is given")

    def load(self, weights: Path | None) -> tuple[nn.Module, Data, Data | None]:
        """Load the network, its calibration images, and its test images or None.

        Args:
            weights: file of the network's weights, or None.

        Raises:
            DataError: there are no calibration images.
            QuboDnnError: loading the network or the images fails.
        """
        from qubo_dnn import zoo
        from qubo_dnn.compression.network.loading import load_network

        entry = zoo.load(self.network.removeprefix(zoo.PREFIX)) if self.network.startswith(zoo.PREFIX) else None
        model = load_network(entry.module if entry else self.network, weights)
        calibration, test = self._sets(entry)
        size = min(len(calibration), _MOST_IMAGES) if self.size is None else self.size
        return model, calibration.subset(size, self.seed), test

    def _sets(self, entry: ZooEntry | None) -> tuple[Data, Data | None]:
        from qubo_dnn.compression.data.dataset import load_data

        if self.calibration is not None:
            calibration = load_data(self.calibration, self.mean, self.std, self.interface)
        elif entry is not None:
            calibration = entry.calibration.with_interface(self.interface)
        else:
            raise DataError("no calibration images: add --calibration FILE.npz or --calibration pkg.module:factory")
        if self.test is not None:
            return calibration, load_data(self.test, self.mean, self.std, self.interface)
        return calibration, entry.test.with_interface(self.interface) if entry else None
