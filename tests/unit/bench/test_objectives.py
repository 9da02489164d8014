"""Objectives side by side on a small network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from bench.networks.comparison.results import NetworkFacts
from bench.networks.shipped.network import Entry, ShippedNetwork
from bench.objectives.page import comparison, page, table, verdicts
from bench.objectives.pairing import ratio
from bench.objectives.picture import draw
from bench.objectives.results import ObjectiveResults, ObjectiveRow, Refusal
from bench.objectives.run import run
from bench.objectives.settings import CHOSEN, OBJECTIVES, PAIRS, SEPARABLE, SETTINGS, Setting
from qubo_dnn.compression.data.dataset import Data

FACTS = NetworkFacts("pnet", "faces", "windows", "as before", "channel", 2, 6510, 64, 1.0, ("facenet-pytorch 2.6.0",))
ROW = ObjectiveRow(
    *("pnet", "3 bits", SEPARABLE, 0, 2.99, 1.0, 0.01, 0.95, 0.011, 0.012),
    chosen=({"objective": SEPARABLE},),
    stages={"measure": 100.0, "solve": 2.0, "apply": 3.0},
)


def rows(objective: str, *divergences: float) -> list[ObjectiveRow]:
    return [replace(ROW, objective=objective, seed=seed, divergence=each) for seed, each in enumerate(divergences)]


def results(*groups: list[ObjectiveRow]) -> ObjectiveResults:
    every = [row for group in groups for row in group]
    return ObjectiveResults({}, {"pnet": FACTS}, every, [Refusal("pnet", "60 % of MACs", "no channel can be removed")])


def test_only_what_is_missing_is_run(network: nn.Module, images: Data) -> None:
    """A setting that is refused is not tried again; measurements are shared without a change of the rows."""
    shipped = ShippedNetwork(network, images, images, lambda _: 0.5)
    entry = Entry("any", ("torch",), "task", "inputs", "metric", "layer", 2, lambda _seed, _folder: shipped)
    settings = [Setting("8 bits", "8bits:weights"), Setting("impossible", "0.001bits:weights", "2,3")]
    cells = [(setting, objective) for setting in settings for objective in (SEPARABLE, PAIRS)]
    found, heard = ObjectiveResults({}), list[str]()
    run([entry], cells, [0, 1], None, 1, found, heard.append)
    assert [row.key for row in found.rows] == [
        ("any", "8 bits", objective, seed) for seed in (0, 1) for objective in (SEPARABLE, PAIRS)
    ]
    assert [(each.network, each.setting) for each in found.refusals] == [("any", "impossible")]
    assert all(row.stored_bits <= 8 and row.macs == 1.0 and row.metric == 0.5 for row in found.rows)
    assert all(row.seconds < sum(row.stages.values()) for row in found.rows)
    assert found.rows[1].chosen[0] == OBJECTIVES[PAIRS]
    before = len(heard)
    run([entry], cells, [0, 1], None, 1, found, heard.append)
    assert len(heard) == before
    alone = ObjectiveResults({})
    run([entry], cells[1:2], [0], None, 1, alone, heard.append)
    assert alone.rows[0].divergence == pytest.approx(found.rows[1].divergence)


def test_ratios_are_paired_by_seeds() -> None:
    lower, base = rows(PAIRS, 0.8, 1.7, 3.3), rows(SEPARABLE, 1.0, 2.0, 4.0)
    found = ratio(lower, base)
    assert found is not None
    assert found.clear
    assert found.mean == pytest.approx((0.8 * 0.85 * 0.825) ** (1 / 3))
    unpaired = ratio(rows(PAIRS, 3.3, 0.8, 1.7), base)
    assert unpaired is not None
    assert not unpaired.clear
    assert ratio(lower[1:], base[:1]) is None


def test_one_seed_is_never_clear_and_the_same_is_said() -> None:
    one, same = ratio(rows(PAIRS, 0.1), rows(SEPARABLE, 1.0)), ratio(rows(CHOSEN, 1.0), rows(SEPARABLE, 1.0))
    assert (str(one), one and one.clear) == ("0.10 (one seed)", False)
    assert (str(same), same and same.clear) == ("same", False)


def test_the_page_says_where_pairs_pay(tmp_path: Path) -> None:
    found = results(rows(SEPARABLE, 1.0, 2.0, 4.0), rows(PAIRS, 0.8, 1.7, 3.3), rows(CHOSEN, 1.0, 2.0, 4.0))
    text = page(found, "About.", "Remarks.")
    assert "`pairs` diverges clearly less than `separable` in 1 of 1 cases" in verdicts(found)[0]
    assert "(pnet at 3 bits, 0.82 times)" in verdicts(found)[0]
    assert "`chosen` diverges clearly less than `separable` in 0 of 1" in verdicts(found)[1]
    assert "the same in 1" in verdicts(found)[1]
    assert comparison(found, PAIRS, SEPARABLE).splitlines()[2] == "| pnet | **0.82** (0.78 to 0.87) |"
    assert (
        "| 3 bits | pairs | 3 | 2.990 | 100.0 |  | **1.93 (0.8 to 3.3)** | 95.0 (95.0 to 95.0) | 5 | 0 of 3 |" in text
    )
    assert "- pnet, 60 % of MACs: no channel can be removed" in text
    draw(found, tmp_path)
    assert (tmp_path / "ratios.png").stat().st_size > 1000


def test_plans_of_pairs_are_counted_in_any_round() -> None:
    paired = replace(ROW, chosen=({"objective": SEPARABLE}, {"shrinkage": 0.5}))
    assert table([paired, replace(ROW, seed=1)], list(SETTINGS)).endswith("| 1 of 2 |")
