"""MTCNN's three networks, which find faces; Zhang et al. 2016 (arXiv 1604.02878), from the package facenet-pytorch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import nn

from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import module_of
from bench.networks.shipped.windows import windows
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import BinaryCrossEntropy, SquaredError
from qubo_dnn.compression.network.inference import logits

_MODULE = "facenet_pytorch.models.mtcnn"
_UNUSED = {"facenet_pytorch.models.utils.detect_face": {"detect_face": None, "extract_face": None}}
_SIZES = {"PNet": 12, "RNet": 24, "ONet": 48}
_THRESHOLDS = {"PNet": 0.6, "RNet": 0.7, "ONet": 0.7}  # of MTCNN's cascade
_CALIBRATION, _TEST, _TEST_SEED = 480, 1200, 1_000_000


def losses(name: str) -> tuple[LossTerm, ...]:
    """All outputs, weighted as in their training.

    The two probabilities of face and no face give the same binary divergence, hence the half; `squared-error` is half
    the squared distance, so that 1 and 2 stand for the paper's 0.5 (boxes) and 1 (landmarks).
    """
    probability, box, landmarks = BinaryCrossEntropy(logits=False), SquaredError(), SquaredError()
    if name == "ONet":
        return LossTerm("0", box, 1.0), LossTerm("1", landmarks, 2.0), LossTerm("2", probability, 0.5)
    return LossTerm("0", box, 1.0), LossTerm("1", probability, 0.5)


def load(name: str, seed: int, _folder: Path | None = None) -> ShippedNetwork:
    """A network, windows of its size, and the share of these that it decides about as it did.

    Raises:
        MissingExtraError: a package is not installed.
    """
    module: nn.Module = getattr(module_of(_MODULE, _UNUSED), name)()
    terms, size = losses(name), _SIZES[name]
    calibration, test = (
        # As `facenet_pytorch` scales pixels of 0 to 255.
        Data.from_tensors((255 * windows(count, size, each, part) - 127.5) / 128, name=f"{size} x {size} windows")
        for count, each, part in ((_CALIBRATION, seed, 0), (_TEST, _TEST_SEED, 1))
    )
    of_faces = test.with_interface(Interface(outputs=(terms[-1].name,)))

    def faces(model: nn.Module) -> list[bool]:
        found: list[bool] = (logits(model, of_faces, BATCH)[:, 1].flatten() >= _THRESHOLDS[name]).tolist()
        return found

    before = faces(module)

    def agreement(model: nn.Module) -> float:
        return sum(one == other for one, other in zip(before, faces(model), strict=True)) / len(before)

    return ShippedNetwork(module.eval(), calibration, test, agreement, outputs=terms)


ENTRIES = tuple(
    Entry(
        name=name.lower(),
        packages=("facenet_pytorch", "skimage", "sklearn"),
        task="faces in a picture",
        inputs=f"{size} x {size} windows of faces, backgrounds and photographs, {_CALIBRATION} and {_TEST}",
        metric="decided face or not as before",
        granularity="channel",
        seeds=2,
        load=partial(load, name),
    )
    for name, size in _SIZES.items()
)
