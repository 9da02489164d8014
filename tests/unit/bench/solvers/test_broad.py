"""The broad comparison runs what is missing, counts what is infeasible, and names where `pt` is behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import dimod
import pytest

from bench.results import read_results
from bench.solvers.applications import grid
from bench.solvers.broad import __main__ as command
from bench.solvers.broad.figures import SHIFT, WORST, behind, gaps, moments, ranks, scores, shifted_mean
from bench.solvers.broad.page import page, verdicts
from bench.solvers.broad.results import BroadInstance, BroadResults
from bench.solvers.broad.roster import TUNED, Entry, chosen, entries
from bench.solvers.broad.run import Solvers, run
from bench.solvers.clock import CpuClock
from bench.solvers.instance import BenchmarkInstance, BestKnown
from bench.solvers.peers.constrained import CONSTRAINED
from bench.solvers.peers.peer import Peer
from bench.solvers.roster import stored
from bench.solvers.run import InstanceSummary, SolverRun, run_once
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Problem
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.quadratic_assignment import QuadraticAssignment

KNAPSACK = "it\n3\n3 4 5\n1 0\n2\n\n0\n4\n2 2 3\n"
JOBS = "2 2\n0 1 1 2\n1 1 0 1\n"


def results(runs: Mapping[str, Mapping[str, Sequence[float | None]]], use: str = "table") -> BroadResults:
    """Instance -> solver -> value of each seed after 0.5 s, of 100 that is best; None for nothing feasible."""
    found = BroadResults({"seconds": 30.0}, {"python": "3"})
    for name, of_solver in runs.items():
        about = InstanceSummary(name, f"family of {name}", 10, 20, "max", BestKnown(100.0, "proven"))
        found.instances[name] = BroadInstance(about, use, constrained=False)
        for solver, values in of_solver.items():
            for seed, value in enumerate(values):
                trace = [] if value is None else [(0.5, value)]
                found.runs.append(SolverRun(name, solver, seed, 30.0, trace, None))
    return found


def test_what_is_infeasible_counts_as_a_gap_of_everything() -> None:
    found = results({"a": {"pt": [100.0, 98.0], "neal": [None, 90.0], "tabu": [-500.0]}})
    assert moments(found) == [1.0, 5.0, 30.0]
    assert gaps(found, 30.0, ["a"]) == {"a": {"pt": 1.0, "neal": (WORST + 10.0) / 2, "tabu": WORST}}
    assert "| neal | 1 | 55.000 / 55.000 / 55.000 | 1.000 / 1.000 / 1.000 | 2.0 / 2.0 / 2.0 | 0 | 1 of 2 |" in page(
        found, "", ""
    )
    # Before anything was reported.
    assert gaps(found, 0.25, ["a"])["a"]["pt"] == WORST


def test_gaps_are_from_the_best_of_all_runs_where_nothing_better_is_known() -> None:
    found = results({"a": {"pt": [80.0], "neal": [40.0]}, "b": {"neal": [None]}})
    for name, each in found.instances.items():
        found.instances[name] = replace(each, about=replace(each.about, best=None))
    assert gaps(found, 30.0, ["a", "b"]) == {"a": {"pt": 0.0, "neal": 50.0}}


def test_means_and_ranks_are_of_the_instances_that_a_solver_ran_on() -> None:
    assert shifted_mean([0.0, 0.0]) == pytest.approx(0.0)
    assert shifted_mean([0.03, 0.15]) == pytest.approx(0.08 - SHIFT)
    assert ranks({"a": 1.0, "b": 0.0, "c": 1.0}) == {"a": 2.5, "b": 1.0, "c": 2.5}
    made = results({"a": {"pt": [99.0], "neal": [100.0]}, "b": {"pt": [100.0], "tabu": [90.0]}})
    found = gaps(made, 30.0, ["a", "b"])
    of_solver = scores(found)
    assert list(of_solver) == ["pt", "neal", "tabu"]
    assert (of_solver["pt"].instances, of_solver["pt"].best, of_solver["pt"].rank) == (2, 1, 1.5)
    assert of_solver["neal"].mean == pytest.approx(0.0)
    assert of_solver["neal"].ours == pytest.approx(1.0)
    assert of_solver["tabu"].ours == pytest.approx(0.0)
    assert behind(found["a"]) == 1.0
    assert behind({"pt": 1.0}) is None
    assert behind({"neal": 1.0}) is None


def test_the_page_names_where_pt_is_behind() -> None:
    found = results({"late": {"pt": [98.5], "neal": [100.0]}, "near": {"pt": [99.5], "neal": [100.0]}})
    text = verdicts(found)
    assert "better on their instances: neal (0.000 against" in text[-2]
    assert text[-1] == "More than 1 point behind after 30 s: late (1.50 %, neal 0.00 %)."
    found.solvers = {"All": {"pt": "defaults", "neal": "loops"}}
    written = page(found, "About it.", "A remark on late.")
    row = "| late | family of late | 10 | 20 | 100 | proven | 1.50 / 1.50 / 1.50 | 0.00 / 0.00 / 0.00 | neal | 1.50 |"
    of_family = (
        "| family | instances | pt | neal |",
        "| family of near | 1 | 0.50 / 0.50 / 0.50 (2.0, 0) | **0.00 / 0.00 / 0.00** (1.0, 1) |",
    )
    for part in ("About it.", "A remark on late.", text[-1], "- neal: loops.", *of_family, row):
        assert part in written
    ahead = verdicts(results({"a": {"pt": [100.0], "neal": [90.0]}}))
    assert ahead[-2].endswith("no solver is better on its instances.")
    assert ahead[-1].endswith("nowhere.")


def test_instances_of_tuning_are_in_no_mean() -> None:
    found = results({"new": {"pt": [100.0], "neal": [99.0]}})
    tuned = results({"G1": {"pt": [50.0], "neal": [100.0]}}, "tuning")
    found.instances |= tuned.instances
    found.runs += tuned.runs
    assert verdicts(found)[-1].endswith("nowhere.")
    text = page(found, "", "")
    assert "| G1 |" in text.partition("## Instances of tuning")[2]
    assert "G1" not in text.partition("## Instances of tuning")[0]


def test_the_roster_tells_tuning_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(KNAPSACK)
    (tmp_path / "s.jsp").write_text(JOBS)
    (tmp_path / "g.txt").write_text("3 2\n1 2 1\n2 3 -2\n")
    (tmp_path / "best_known.csv").write_text(
        "name,file,problem,best_known,sense\nmine,q.txt,quadratic knapsack,9,max\nft06,s.jsp,job shop (2 x 2),4,min\n"
        "G1,g.txt,max-cut random,1,max\nG2,g.txt,max-cut random,1,max\n"
    )
    found = entries(tmp_path)
    assert {name for name, each in found.items() if each.use == "tuning"} == {"ft06", "G1", "queen7_7"}
    assert all(found[name].use == "tuning" for name in TUNED & found.keys())
    mine, shop, graph = (found[name].make() for name in ("mine", "ft06", "G2"))
    assert (mine.family, mine.sense, mine.target) == ("quadratic knapsack", "max", -9.0)
    assert mine.problem is not None
    assert list(mine.problem.constraints) == ["capacity"]
    assert (shop.family, shop.sense, shop.target) == ("job shop", "min", 4.0)
    assert (graph.family, graph.problem) == ("maximum cut", None)
    # The other comparison takes none with constraints.
    assert stored(tmp_path)["G1"]().problem is None
    assert [each.name for each in chosen(found, None, ["tuning"])] == ["queen7_7", "ft06", "G1"]
    with pytest.raises(OptionError, match="unknown instance 'mime'; did you mean 'mine'"):
        chosen(found, ["mime"], ["table"])


BQM = dimod.BinaryQuadraticModel({0: 1.0, 1: -2.0}, {(0, 1): 3.0}, 0.0, dimod.BINARY)


def stub(name: str) -> Peer:
    """Sets the last variable alone, and is never infeasible."""

    def prepare(model: Any) -> Callable[[CpuClock, int], None]:
        bqm = model.objective if isinstance(model, Problem) else model

        def run(clock: CpuClock, _: int) -> None:
            sample = dict.fromkeys(bqm.variables, 0) | {list(bqm.variables)[-1]: 1}
            clock.report(float(bqm.energy(sample)), sample)

        return run

    return Peer(name, "as it is", "dimod", "dimod:BQM", prepare)


def of_knapsack() -> BenchmarkInstance:
    return BenchmarkInstance.of_problem("sack", "knapsack", Knapsack([4, 3, 2], [3, 2, 2], 4).compile())


def test_only_what_is_missing_is_run() -> None:
    cut = Entry("cut", "table", lambda: BenchmarkInstance("cut", "max-cut", BQM, "max"))
    sack = Entry("sack", "tuning", of_knapsack)
    solvers = Solvers([stub("pt"), stub("other")], [stub("pt"), stub("repairing")])
    found, heard = BroadResults({"seconds": 0.1}), list[str]()
    run([cut, sack], solvers, [0, 1], 1, found, heard.append)
    assert [(each.instance, each.solver, each.seed) for each in found.runs] == [
        *(("cut", "pt", 0), ("cut", "other", 0), ("sack", "pt", 0), ("sack", "repairing", 0)),
        *(("cut", "other", 1), ("cut", "pt", 1), ("sack", "repairing", 1), ("sack", "pt", 1)),
    ]
    assert [(each.use, each.constrained) for each in found.instances.values()] == [("table", False), ("tuning", True)]
    assert heard[0].startswith("cut, pt, seed 0: 2 after 0.00 of")
    run([cut, sack], solvers, [0, 1], 1, found, heard.append)
    assert len(heard) == 8
    found.drop({"cut"}, {"pt"})
    assert len(found.runs) == 6
    run([cut, sack], solvers, [0, 1], 1, found, heard.append)
    assert len(heard) == 10
    assert {each.solver for each in found.runs[6:]} == {"pt"}


@pytest.mark.parametrize("name", list(CONSTRAINED))
def test_solvers_of_problems_with_constraints_find_the_best_feasible_answer(name: str) -> None:
    peer = CONSTRAINED[name]
    if peer.missing:
        pytest.skip(f"{peer.missing}: an extra brings it")
    assignment = QuadraticAssignment(*grid(2, 2, 1))
    best = min(assignment.cost(places) for places in permutations(range(4)))
    for problem, optimum in ((Knapsack([4, 3, 2], [3, 2, 2], 4).compile(), 5.0), (assignment.compile(), best)):
        instance = BenchmarkInstance.of_problem("it", "", problem).known(optimum, "proven")
        made = run_once(name, peer.prepare(problem), instance, 30.0, instance.target, 3)
        assert made.trace[-1][1] == optimum
        # It ends there.
        assert made.seconds < 25.0


def test_nothing_feasible_is_an_empty_trace() -> None:
    """Two items are to be taken, and no two fit."""
    knapsack = Knapsack([1, 1, 1], [3, 3, 3], 4).compile()
    count = dimod.BinaryQuadraticModel(dict.fromkeys(knapsack.variables, 1.0), {}, 0.0, "BINARY")
    both = replace(knapsack.constraints["capacity"], lhs=count, sense=">=", rhs=2.0)
    problem = replace(knapsack, constraints={**knapsack.constraints, "two": both}, start=None)
    instance = BenchmarkInstance.of_problem("none", "", problem)
    for name in ("pt", "neal"):
        made = run_once(name, CONSTRAINED[name].prepare(problem), instance, 0.3, None, 1)
        assert list(made.trace) == []


def test_the_command_writes_page_and_picture_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    monkeypatch.setattr(command, "SOLVERS", {"pt": stub("pt"), "other": stub("other")})
    monkeypatch.setattr(command, "CONSTRAINED", {"pt": stub("pt")})
    cut = Entry("cut", "table", lambda: BenchmarkInstance("cut", "max-cut", BQM, "max"))
    monkeypatch.setattr(command, "entries", lambda _: {"cut": cut, "sack": Entry("sack", "table", of_knapsack)})
    words = ["bench.solvers.broad", "--seconds", "0.1", "--seeds", "0", "--out", str(tmp_path)]
    (tmp_path / "remarks.md").write_text("Two small ones.\n")
    monkeypatch.setattr("sys.argv", [*words, "--solvers", "pt"])
    command.main()
    assert "Two small ones." in (tmp_path / "README.md").read_text()
    assert (tmp_path / "families.png").read_bytes().startswith(b"\x89PNG")
    read = partial(read_results, tmp_path / "results.json", BroadResults)
    before = read().runs
    assert len(before) == 2
    monkeypatch.setattr("sys.argv", words)
    command.main()
    assert read().runs[:2] == before
    assert len(read().runs) == 3
    monkeypatch.setattr("sys.argv", [*words, "--solvers", "pt", "--renew"])
    command.main()
    assert [each.solver for each in read().runs] == ["other", "pt", "pt"]
    for wrong, said in (
        (["--renew"], "--renew needs"),
        (["--seconds", "0"], "above 0"),
        (["--solvers", "po"], "unknown solver"),
    ):
        monkeypatch.setattr("sys.argv", [*words, *wrong])
        with pytest.raises(OptionError, match=said):
            command.main()


def test_results_are_read_back_as_they_were(tmp_path: Path) -> None:
    found = results({"a": {"pt": [99.0, None]}})
    write_json(tmp_path / "results.json", asdict(found))
    assert read_results(tmp_path / "results.json", BroadResults) == found
