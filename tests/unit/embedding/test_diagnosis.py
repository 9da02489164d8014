"""A diagnosis says whether a problem fits, at what price, and what the emulated chip makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from dwave.cloud.testing.mocks import qpu_pegasus_solver_data, qpu_problem_timing_data

from qubo_dnn.embedding.backend_model import make_backend_model
from qubo_dnn.embedding.diagnosis import Diagnosis, DiagnosisSettings, access_time, diagnose
from qubo_dnn.embedding.embedding import embed
from qubo_dnn.embedding.emulation import Chip
from qubo_dnn.embedding.pictures import pictures
from qubo_dnn.embedding.program import program
from qubo_dnn.embedding.reads import FACTORS, best_strength
from qubo_dnn.embedding.report import tables, write_pictures
from qubo_dnn.embedding.target import Target, from_properties
from qubo_formulations.max_cut import MaxCut
from qubo_formulations.travelling_salesman import TravellingSalesman

QUICK = DiagnosisSettings(reads=10, chip=Chip(sweeps=50))


@pytest.fixture(scope="module")
def found(chip: Target) -> Diagnosis:
    return diagnose(make_backend_model(MaxCut(nx.complete_graph(14)).compile()), chip, QUICK)


def test_the_figures_are_those_of_problem_graph_and_embedding(chip: Target, found: Diagnosis) -> None:
    data = json.loads(json.dumps(found.to_json()))
    assert found.verdict == "fits, with the chains of a clique"
    assert data["problem"]["variables"] == 14
    assert (data["problem"]["interactions"], data["problem"]["density"]) == (91, 1.0)
    assert data["target"]["largest_clique"] == 36
    embedding = data["embedding"]
    assert embedding["faults"] == []
    assert sum(embedding["chain_lengths"].values()) == 14
    assert sum(int(k) * n for k, n in embedding["chain_lengths"].items()) == embedding["qubits"]
    assert embedding["share_of_qubits"] == embedding["qubits"] / 264
    plan = program(found.model.bqm, embed(found.model.graph, chip))
    assert data["program"]["chain_strength"] == plan.chain_strength
    assert data["program"]["scale"] == min(data["program"]["scale_by_range"].values()) == plan.scale
    assert data["program"]["largest_coupling"] < data["program"]["chain_strength"]
    assert data["program"]["bits_of_precision"] == pytest.approx(np.log2(3 / plan.smallest))


def test_the_reads_are_judged_in_the_user_s_sense(found: Diagnosis) -> None:
    emulated = found.to_json()["emulated"]
    assert emulated["best_objective"] == 49.0
    assert emulated["feasible"] == 1.0
    assert set(emulated["by_variable"]) == set(found.model.bqm.variables)
    assert emulated["chain_break_fraction"] == pytest.approx(np.mean(list(emulated["by_variable"].values())))
    assert emulated["energy"]["minimize-energy"]["mean"] <= emulated["energy"]["majority-vote"]["mean"]


def test_a_seed_reproduces_a_diagnosis(chip: Target, found: Diagnosis) -> None:
    again = diagnose(make_backend_model(MaxCut(nx.complete_graph(14)).compile()), chip, QUICK).to_json()
    first = found.to_json()
    for data in (again, first):
        del data["embedding"]["seconds"]
    assert again == first


def test_what_does_not_fit_is_a_finding(chip: Target) -> None:
    found = diagnose(make_backend_model(MaxCut(nx.complete_graph(40)).compile()), chip, QUICK)
    assert found.verdict.startswith("does not fit: 40 variables, all coupled")
    data = found.to_json()
    assert data["fits"] is False
    assert "embedding" not in data
    assert pictures(found) == []
    assert [title for title, _ in tables(found)] == ["Problem", "Target"]


def test_the_access_time_is_the_client_s_estimate(chip: Target) -> None:
    seconds, whose = access_time(chip, 50, 100)
    assert (0.01 < seconds < 0.1, whose) == (True, "an Advantage system of 2022")
    assert access_time(chip, 50, 1000)[0] > seconds
    properties = qpu_pegasus_solver_data(4)["properties"]
    properties["problem_timing_data"] = qpu_problem_timing_data() | {"typical_programming_time": 1e6}
    properties["couplers"] = [list(pair) for pair in properties["couplers"]]
    slow, whose = access_time(from_properties("mine", properties), 50, 100)
    assert whose == "mine"
    assert slow > 1.0


def test_the_scan_finds_a_strength_at_least_as_good_as_the_default(chip: Target) -> None:
    """A tour of 5 cities, whose penalties make the default strength three times what is best."""
    problem = TravellingSalesman.example(3).compile()
    settings = DiagnosisSettings(reads=40, scan=True, seed=2)
    found = diagnose(make_backend_model(problem, presolve=False), chip, settings)
    assert found.program is not None
    default = next(each for each in found.scan if each.strength == found.program.chain_strength)
    best = best_strength(found.scan)
    assert len(found.scan) == len(FACTORS)

    def typical(energies: np.ndarray) -> float:
        return float(np.sort(energies)[: len(energies) // 2].mean())

    assert typical(best.energies["majority-vote"]) < typical(default.energies["majority-vote"])
    # Why: weaker chains break more, stronger ones leave less of the range to the problem.
    broken = [each.broken.mean() for each in found.scan]
    scales = [each.scale for each in found.scan]
    assert broken[0] > broken[-1]
    assert scales == sorted(scales, reverse=True)
    assert {"scan-breaks", "scan-energies"} <= {picture.name for picture in pictures(found)}
    assert found.to_json()["best_chain_strength"] == best.strength


def test_every_picture_is_written_twice(found: Diagnosis, tmp_path: Path) -> None:
    written = write_pictures(tmp_path, found)
    assert {path.name for path in written} == {
        f"{name}.{kind}"
        for name in ("chain-lengths", "coefficients", "breaks", "energies", "map")
        for kind in ("png", "svg")
    }
    for path in written:
        head = path.read_bytes()[:200]
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in head


def test_the_map_shows_every_qubit_once(found: Diagnosis) -> None:
    drawn = pictures(found)[-1]
    free, _, chains = drawn.series
    assert len(free.x) + len(chains.x) == len(found.target.graph)
    assert found.embedding is not None
    assert len(chains.x) == found.embedding.qubits
