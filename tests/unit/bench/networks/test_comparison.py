from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.networks.comparison.methods import METHODS, OURS, SEPARABLE, TRACE, UNIFORM
from bench.networks.comparison.page import page, verdicts
from bench.networks.comparison.picture import draw
from bench.networks.comparison.results import NetworkFacts, NetworkResults, NetworkRow
from bench.networks.comparison.run import row, run
from bench.networks.shipped.network import Entry, ShippedNetwork
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.errors import BackendFailedError, DataError

ROW = NetworkRow("pnet", 3.0, OURS, 0, 2.99, 0.01, 0.95, 0.011, 0.012, 5.0, 0.5)
FACTS = NetworkFacts("pnet", "faces", "windows", "as before", "channel", 2, 6510, 64, 1.0, ("facenet-pytorch 2.6.0",))


@pytest.fixture
def shipped(network: nn.Module, images: Data) -> ShippedNetwork:
    before = logits(network, images).argmax(1)
    return ShippedNetwork(
        network, images, images, lambda model: float((logits(model, images).argmax(1) == before).double().mean())
    )


@pytest.mark.parametrize("method", [SEPARABLE, UNIFORM])
def test_a_method_gives_a_row(shipped: ShippedNetwork, method: str) -> None:
    key = ("any", 6.0, method, 0)
    found = row(shipped, "layer", METHODS[method], key)
    assert found.key == key
    assert 0 < found.divergence < 1
    assert 0.5 < found.metric <= 1
    # Scales and width codes of rows of few weights: counted in the budget, on top of a uniform width.
    assert found.stored_bits <= 6.0 if method == SEPARABLE else found.stored_bits > 6.0


def test_more_bits_diverge_less(shipped: ShippedNetwork) -> None:
    narrow, wide = (row(shipped, "layer", METHODS[UNIFORM], ("any", bits, UNIFORM, 0)) for bits in (2, 6))
    assert wide.divergence < narrow.divergence


def test_half_bits_are_half_of_the_units_at_random(shipped: ShippedNetwork) -> None:
    chosen = [METHODS[UNIFORM](shipped, "channel", 2.5, seed).plan for seed in (0, 0, 1)]
    widths = [[option.bits for layer in plan.layers.values() for option in layer.options] for plan in chosen]
    assert sorted(widths[0]) == [2] * 5 + [3] * 6 or sorted(widths[0]) == [2] * 6 + [3] * 5
    assert widths[0] == widths[1]
    assert widths[0] != widths[2]


def test_only_what_is_missing_is_run(shipped: ShippedNetwork) -> None:
    """Every row by a process of its own, which inherits the network."""
    entry = Entry("any", ("torch",), "task", "inputs", "metric", "layer", 2, lambda _seed, _folder: shipped)
    there = replace(ROW, network="any", method=UNIFORM)
    results, heard = NetworkResults({}, rows=[there]), list[str]()
    run([entry], [UNIFORM], [3.0, 4.0], None, 2, results, heard.append)
    assert {each.key for each in results.rows} == {("any", b, UNIFORM, s) for b in (3.0, 4.0) for s in (0, 1)}
    assert results.rows[0] is there
    assert all(0.05 < each.peak_gib < 10 for each in results.rows[1:])
    assert results.networks["any"].metric == 1.0
    assert results.networks["any"].packages[0].startswith("torch ")
    assert len(heard) == 1 + 3
    run([entry], [UNIFORM], [3.0, 4.0], None, 2, results, heard.append)
    assert len(heard) == 1 + 3


def test_a_process_that_fails_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    def load(_seed: int, _folder: Path | None) -> ShippedNetwork:
        raise DataError("no such images")

    entry = Entry("any", (), "task", "inputs", "metric", "layer", 1, load)
    with pytest.raises(BackendFailedError, match="a process ended with exit code 1"):
        run([entry], [UNIFORM], [3.0], None, 1, NetworkResults({}), lambda _: None)
    assert "no such images" in capfd.readouterr().err


def test_the_page_says_where_ours_loses(tmp_path: Path) -> None:
    rows = [
        ROW,
        replace(ROW, seed=1, divergence=0.03),
        replace(ROW, method=SEPARABLE, divergence=0.01),
        replace(ROW, method=UNIFORM, divergence=0.08),
        replace(ROW, method=TRACE, bits=4.0, divergence=0.001),
    ]
    results = NetworkResults({}, {"pnet": FACTS}, rows)
    assert verdicts(results) == [
        "`gauss-newton` diverges less than `uniform` on 1 of 1 networks (0.25 to 0.25 times its divergence).",
        "`gauss-newton` diverges less than `separable` on 0 of 1 networks (2.00 to 2.00 times its divergence); more on "
        "pnet (2.00 times).",
    ]
    text = page(results, "About it.", "Why that is.")
    assert "| 3 | gauss-newton | 2.990 | 0.02 (0.01 to 0.03) | 95.0 (95.0 to 95.0) | 5 | 0.50 |" in text
    assert "| 3 | separable | 2.990 | **0.01** | 95.0 | 5 | 0.50 |" in text
    assert text.index("Why that is.") < text.index("## pnet")
    draw(results, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"divergence.png", "divergence.svg"}


def test_the_page_says_where_methods_are_equal() -> None:
    results = NetworkResults({}, {"pnet": FACTS}, [ROW, replace(ROW, method=SEPARABLE)])
    assert verdicts(results) == [
        "`gauss-newton` diverges less than `separable` on 0 of 1 networks (1.00 to 1.00 times its divergence); the "
        "same on pnet."
    ]


def test_a_row_is_measured_with_several_outputs() -> None:
    """Terms and interface reach the evaluation, too."""
    torch.manual_seed(0)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(50, 3), nn.Linear(50, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            flat = x.flatten(1)
            return self.first(flat), self.second(flat)

    network = Two().eval()
    network.second.weight.data.zero_()  # is exact at every width
    unlabelled = Data.from_tensors(torch.randn(24, 50))
    whole = [LossTerm("0", SquaredError()), LossTerm("1", SquaredError())]
    rows = [
        row(
            ShippedNetwork(network, unlabelled, unlabelled, lambda _: 1.0, outputs=tuple(terms)),
            "layer",
            METHODS[UNIFORM],
            ("any", 3.0, UNIFORM, 0),
        )
        for terms in (whole, [replace(whole[0], weight=2.0), whole[1]], whole[1:])
    ]
    assert rows[0].divergence > 0
    assert rows[1].divergence == pytest.approx(2 * rows[0].divergence)
    assert rows[2].divergence == 0
