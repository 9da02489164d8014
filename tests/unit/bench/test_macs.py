"""The exact optimum by counts of channels against brute force and backends, and channels chosen on a small network."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.macs.__main__ import CHAINS, NETWORK, PAGE, main
from bench.macs.chains import vgg_chain
from bench.macs.counts import best_counts
from bench.macs.methods import EXACT, LINEAR, METHODS, OPTIMUM, PAIRS, UNIFORM, Question
from bench.macs.network import network_chain
from bench.macs.page import page
from bench.macs.results import Answer, NetworkResults, NetworkRow
from bench.macs.run import run_network
from bench.removal.channels import Channels
from bench.removal.measured import Measured
from bench.removal.smaller import smaller_network
from bench.zoo.vgg import Vgg
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.errors import ModelError, OptionError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_optimum_is_that_of_brute_force(seed: int, share: float) -> None:
    chain = vgg_chain((3, 5, 4, 6), share, seed)
    sums = [np.append(0.0, np.cumsum(np.sort(each))) for each in chain.losses]
    counts = product(*(range(1, len(each) + 1) for each in chain.losses))
    losses = [
        sum(float(each[len(each) - 1 - count]) for each, count in zip(sums, kept, strict=True))
        for kept in counts
        if chain.macs(kept) <= chain.limit
    ]
    found = best_counts(chain)
    assert found.loss == pytest.approx(min(losses))
    assert found.bound <= found.loss * (1.0 + 1e-9)
    assert chain.macs(found.kept) <= chain.limit
    assert found.loss == pytest.approx(
        sum(float(each[len(each) - 1 - kept]) for each, kept in zip(sums, found.kept, strict=True))
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_program_of_single_channels_has_the_same_optimum(seed: int) -> None:
    """What a backend proves for every channel by itself is what counts alone say."""
    chain = vgg_chain((3, 4, 6), share=0.5, seed=seed)
    problem = PruningQuantization(chain.task, objective="separable").compile()
    solution = solve(problem, get_backend("exact-milp"), {"seed": 0})
    assert solution.sampleset.info["optimal"]
    assert solution.best.objective == pytest.approx(best_counts(chain).loss, rel=1e-5)


@pytest.fixture(scope="module")
def pictures() -> Data:
    generator = torch.Generator().manual_seed(1)
    return Data.from_tensors(torch.randn(48, 3, 8, 8, generator=generator), torch.arange(48) % 10)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return Vgg((4, 6, 5)).eval()


@pytest.fixture(scope="module")
def measured(network: nn.Module, pictures: Data) -> Measured:
    return Measured(Channels.of(network, pictures, 32, 0.25, seed=0))


def test_a_network_is_the_chain_of_its_layers(measured: Measured, pictures: Data) -> None:
    """What counts say of multiply-accumulates is what the smaller network is measured to make."""
    chain, channels = network_chain(measured, 0.6), measured.channels
    total = sum(channels.macs.values())
    assert chain.macs((4, 6, 5)) == total == 64 * 27 * 4 + 16 * 9 * (4 * 6 + 6 * 5) + 5 * 10
    assert chain.limit == pytest.approx(0.6 * total)
    removed = np.isin(np.arange(15), [1, 4, 5, 12])
    assert channels.kept(removed) == (3, 4, 4)
    assert channels.share(removed) == pytest.approx(chain.macs((3, 4, 4)) / total)
    assert smaller_network(channels, removed, pictures).macs == pytest.approx(channels.share(removed))
    # Single channels count too much if those that read each other leave together.
    assert 1.0 - channels.saved[removed].sum() < channels.share(removed)


def test_what_is_no_chain_is_refused(pictures: Data) -> None:
    class Skipping(Vgg):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.features[1](self.features[0](x)).relu()
            logits: torch.Tensor = self.head((self.features[4](maps).relu() + maps).mean((2, 3)))
            return logits

    torch.manual_seed(0)
    measured = Measured(Channels.of(Skipping((4, 4)).eval(), pictures, 32, 0.25, seed=0))
    with pytest.raises(ModelError, match="no chain"):
        network_chain(measured, 0.6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_budget(measured: Measured, method: str) -> None:
    question = Question(measured, 0.5, 0.5, 20.0)
    removed = METHODS[method](question)
    assert removed is not None
    assert question.channels.share(removed) <= 0.5
    assert question.loss(removed) >= question.optimum.loss * (1 - 1e-6)
    if method in (OPTIMUM, EXACT):
        assert question.loss(removed) == pytest.approx(question.optimum.loss, rel=1e-5)


def test_a_linear_budget_is_as_large_as_its_answer_allows(measured: Measured) -> None:
    question = Question(measured, 0.5, 0.5, 20.0)
    removed = METHODS[LINEAR](question)
    assert removed is not None
    # Its limit is not 50 %: what leaves together is counted twice.
    assert 1.0 - question.channels.saved[removed].sum() < 0.45
    assert 0.4 < question.channels.share(removed) <= 0.5


def test_only_what_is_missing_of_the_network_is_run(network: nn.Module, pictures: Data) -> None:
    results, heard = NetworkResults({}), list[str]()
    for names in ([UNIFORM], [UNIFORM, OPTIMUM]):
        run_network(
            *(network, pictures, pictures, results, heard.append),
            methods=names,
            percents=[60.0],
            seeds=[0],
            size=32,
            seconds=0.5,
            exact_seconds=5.0,
        )
    assert [row.key for row in results.rows] == [(UNIFORM, 60.0, 0), (OPTIMUM, 60.0, 0)]
    found = [row.answer for row in results.rows]
    assert all(answer is not None and answer.macs <= 0.6 and answer.divergence > 0 for answer in found)
    assert found[1] is not None
    assert found[1].gap == 0.0


def test_the_page_names_accuracies_and_gaps() -> None:
    def row(method: str, accuracy: float, gap: float) -> NetworkRow:
        return NetworkRow(method, 60.0, 0, 1.5, Answer(0.25, gap, (3, 2), 0.598, accuracy, 0.2, 0.21))

    rows = [row(OPTIMUM, 0.84, 0.0), row("pt", 0.83, 0.0125), row(PAIRS, 0.85, 0.1), row(UNIFORM, 0.8, 0.5)]
    none = NetworkRow(EXACT, 60.0, 0, 60.0, None)
    text = page(None, NetworkResults({"test images": 9}, 0.9, [*rows, none]), "About.", "Remarks.")
    assert "`exact optimum` 84.00 %, `pt, with pairs` 85.00 %, `uniform` 80.00 %." in text
    assert "the largest gaps to the optimum are: `pt` 1.25%." in text
    assert "| pt, with pairs | 1 | 0.2500 | 10.00 | 59.80 | **85.00** | 0.200 | 3, 2 | 1.5 |" in text
    assert "| exact-milp | 0 of 1 | none |" in text


def test_the_command_writes_the_page_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--widths", "3", "4", "--percents", "60", "--seeds", "1", "--time-limit", "2", "--out", str(tmp_path)]
    for backends in (["tabu"], ["tabu", "exact-milp"]):
        main([*words, "--backends", *backends])
    assert len(capsys.readouterr().out.splitlines()) == 2
    rows = json.loads((tmp_path / CHAINS).read_text())["rows"]
    assert [(row["backend"], row["feasible"]) for row in rows] == [("tabu", True), ("exact-milp", True)]
    assert rows[1]["gap"] == 0.0
    assert "| 3 4 | 60 | exact-milp | 1 | 0.00 |" in (tmp_path / PAGE).read_text()
    assert not (tmp_path / NETWORK).exists()
    with pytest.raises(OptionError, match="--data"):
        main([*words, "--weights", "vgg.safetensors"])
