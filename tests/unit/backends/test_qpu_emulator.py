"""The emulator embeds, reads, repairs, and says what the chip made of the problem."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dimod
import networkx as nx
import pytest

from qubo_backends._shared import embedded
from qubo_backends.qpu_emulator import QpuEmulatorBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import BackendFailedError, EmbeddingError, OptionError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_cut import MaxCut

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = QpuEmulatorBackend("pegasus:4")


def test_reports_embedding_strength_scale_and_breaks(random_bqm: RandomBqm) -> None:
    found = BACKEND.sample(random_bqm(12, 1), make_options(BACKEND, {"seed": 1, "num_reads": 10}))
    assert {"target": "pegasus:4", "embedder": "clique", "seed": 1, "interrupted": False}.items() <= found.info.items()
    assert found.info["qubits"] >= 12
    assert found.info["scale"] > 0 < found.info["chain_strength"]
    assert len(found) == len(found.record.chain_break_fraction) == 10
    assert found.info["chain_break_fraction"] == pytest.approx(found.record.chain_break_fraction.mean())


def test_the_variant_is_the_target_and_the_option_overrides_it(random_bqm: RandomBqm) -> None:
    backend = get_backend("qpu-emulator:zephyr:2")
    for values, name in (({}, "zephyr:2"), ({"target": "chimera:3"}, "chimera:3")):
        options = make_options(backend, {"num_reads": 1, "seed": 0} | values)
        assert backend.sample(random_bqm(6, 1), options).info["target"] == name


def test_an_embedding_is_written_where_there_is_none_and_read_where_there_is(
    random_bqm: RandomBqm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bqm = tmp_path / "e.json", random_bqm(8, 1)
    monkeypatch.setattr(embedded, "_written", set())
    written = BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 2, "seed": 0, "embedding": str(path)}))
    assert written.info["embedder"] == "clique"
    # Another process knows nothing of who wrote it.
    monkeypatch.setattr(embedded, "_written", set())
    again = BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 2, "seed": 0, "embedding": str(path)}))
    assert again.info["embedder"] == str(path)
    assert again.info["qubits"] == written.info["qubits"]
    saved = json.loads(path.read_text())
    saved["chains"][0][1] = saved["chains"][1][1]
    path.write_text(json.dumps(saved))
    with pytest.raises(EmbeddingError, match="ChainOverlap"):
        BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 2, "seed": 0, "embedding": str(path)}))


def test_a_problem_that_falls_apart_is_embedded_as_one_piece(tmp_path: Path) -> None:
    apart = nx.disjoint_union(nx.complete_graph(5), nx.complete_graph(6))
    options = {"seed": 0, "num_reads": 20, "embedding": str(tmp_path / "e.json")}
    solution = solve(MaxCut(apart).compile(), BACKEND, options)
    assert solution.calls[0].presolve["components"] == 1
    assert len(json.loads((tmp_path / "e.json").read_text())["chains"]) == 11
    assert solution.best.objective == 6 + 9


def test_when_all_reads_are_discarded_it_says_what_to_do(random_bqm: RandomBqm) -> None:
    values = {
        "chain_strength": "1e-6",
        "chain_break_method": "discard",
        "num_reads": 3,
        "seed": 0,
        "embedder": "clique",
    }
    with pytest.raises(BackendFailedError, match="chain_strength above 1e-06"):
        BACKEND.sample(random_bqm(20, 1), make_options(BACKEND, values))


def test_a_dense_problem_beyond_the_chip_is_refused_with_its_limit(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(37, 1, density=1.0)
    with pytest.raises(EmbeddingError, match="largest clique of this graph has 36"):
        BACKEND.sample(bqm, make_options(BACKEND, {"seed": 0}))


@pytest.mark.parametrize(
    "values",
    [
        {"chain_strength": "0"},
        {"chain_strength": "strong"},
        {"defects": "1"},
        {"transverse_field": "0,1"},
        {"beta": "0"},
        {"num_spin_reversal_transforms": "0"},
        {"embedder": "layout"},
        {"chain_break_method": "none"},
        {"target": "torus:4"},
    ],
)
def test_bad_options_are_refused(random_bqm: RandomBqm, values: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        BACKEND.sample(random_bqm(3, 1), make_options(BACKEND, {"seed": 0} | values))
