"""The claim of arXiv 2505.16332, that annealing outperforms genetic algorithms and reinforcement learning in time and
finds global optima, on problems of real networks.

    python -m bench.claims --data DIR --out bench/claims/results
    python -m bench.claims --report-only --out bench/claims/results

Every backend gets every problem through the same `solve`, in independent runs of growing time limits, one thread each,
several at a time on as many cores; a seed that has reached the best known objective is not run for longer. Problems are
the options of layers, groups of channels and channels under a budget of 3 stored bits per weight, in this project's
formulation, and the paper's Hamiltonian (filters pruned, bits removed per layer, beta = 1) under the same budget.
Optima are proven by `qubo_dnn.bounds.certificate.certify`. Time to solution: seconds until the best known objective is
found with a chance of 99 %, with the 95 % interval of the chance (Wilson). Accuracies are of the first seed's plan.
Besides, the genetic algorithm and the policy get what their authors reward: the divergence of the network itself,
measured plan by plan, against `pt` on the model that is measured once.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.claims.cases import OURS, Case, cases, network_of
from bench.claims.measured import rewarded
from bench.claims.outcome import Tested
from bench.claims.page import page
from bench.claims.picture import draw
from bench.claims.results import About, Outcome, Results
from bench.claims.runs import Job, series
from bench.compression.command import finish, write_json
from bench.compression.networks import add_folder_option
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.output import write_atomically
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve

BACKENDS = (
    *("neal", "path-integral", "qpu-emulator", "pt", "qaoa", "genetic", "reinforcement", "tabu", "steepest-descent"),
    "exact-milp",
)
GRANULARITIES = ("layer", "group:16", "channel", "paper")
RESULTS = "results.json"
# Seconds of the run that all others are first compared with.
_REFERENCE_SECONDS = 10.0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--granularities", nargs="+", choices=GRANULARITIES, default=list(GRANULARITIES))
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.3, 1.0, 4.0], help="time limits of runs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reward-seconds", type=float, default=20.0, help="of a search that measures plans; 0: none")
    parser.add_argument("--reward-seeds", type=int, default=2)
    parser.add_argument("--certify", type=float, default=60.0, help="seconds to prove an optimum in")
    parser.add_argument("--tests", type=int, default=2000, help="test images")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help=f"for {RESULTS}, README.md and pictures")
    parser.add_argument("--report-only", action="store_true", help="run nothing; page and pictures from --out")
    add_folder_option(parser)
    words = parser.parse_args()
    for name in words.backends:
        get_backend(name)  # what is not there is said before hours of measuring
    return words


def reference(case: Case, seconds: float, accuracy: float) -> About:
    """A long run of `pt`, and what can be proven of its answer."""
    problem = case.problem
    best = solve(problem, get_backend("pt"), {"seed": 0, "time_limit": _REFERENCE_SECONDS}).best
    proof = certify(problem, best.objective if best.feasible else None, seconds)
    figures = proof.figures(problem)
    return About(
        name=case.name,
        formulation=case.formulation,
        measure_seconds=case.measure_seconds,
        units=len(case.task.cost),
        variables=len(problem.variables),
        interactions=problem.objective.num_interactions,
        best=best.objective,
        bound=figures["bound"],
        proof=f"{proof.method}, {proof.seconds:.0f} s",
        reference=accuracy,
    )


def run(words: argparse.Namespace) -> Results:
    """All problems, all backends, all networks."""
    settings = {
        "seconds": words.seconds,
        "seeds": words.seeds,
        "processes": words.processes,
        "seconds of measured rewards": words.reward_seconds,
        "test images": words.tests,
    }
    results, found, tested, networks = Results(settings), [], {}, {}
    for folder in dict.fromkeys((None, words.data)):
        network = network_of(folder, words.tests)
        for case, subject in cases(network, words.granularities):
            found.append(case)
            networks[case.name] = network
            tested[case.name] = Tested(network, subject)
            results.cases.append(reference(case, words.certify, tested[case.name].reference))
            print(f"{case.name}: {results.cases[-1]}", flush=True)
    jobs = [
        Job(about.name, backend, {}, seed, tuple(sorted(words.seconds)), about.best)
        for about in results.cases
        for seed in range(words.seeds)
        for backend in words.backends
    ]
    choices = {}
    with tempfile.TemporaryDirectory() as folder:
        for done, (job, each) in enumerate(series(found, jobs, words.processes, Path(folder)), 1):
            print(f"{done} of {len(jobs)}: {job.case}, {job.backend}, seed {job.seed}", flush=True)
            results.runs += each.runs
            if each.refused is not None:
                results.refused.setdefault(job.case, {})[job.backend] = each.refused
            if each.choice is not None and job.seed == 0:
                choices[job.case, job.backend] = each.choice
    for place, about in enumerate(results.cases):
        seen = [run.objective for run in results.runs if run.case == about.name and run.objective is not None]
        results.cases[place] = replace(about, best=min([about.best, *seen]))
    for (case_name, backend), choice in choices.items():
        results.outcomes.append(Outcome(case_name, backend, *tested[case_name].of(choice)))
    able = [name for name in words.backends if get_backend(name).capabilities.black_box]
    for case in found:
        if case.formulation == OURS and words.reward_seconds:
            searches = (able, words.reward_seconds, words.reward_seeds)
            for row in rewarded(case, networks[case.name], tested[case.name], *searches):
                print(row, flush=True)
                results.rewarded.append(row)
    return results


def read(folder: Path) -> Results:
    """The results of a folder.

    Raises:
        FileFormatError: it has none.
    """
    try:
        return Results.from_json(json.loads((folder / RESULTS).read_text()))
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise FileFormatError(f"{folder / RESULTS}: holds no results of this benchmark ({cause})") from cause


def main() -> None:
    """Run, or read what was run, and write page and pictures."""
    words = parse()
    if not words.report_only:
        started = time.perf_counter()
        results = run(words)
        results.seconds = time.perf_counter() - started
        words.out.mkdir(parents=True, exist_ok=True)
        write_json(words.out / RESULTS, results.to_json())
    results = read(words.out)
    draw(results, words.out)
    write_atomically(words.out / "README.md", page(results, __doc__ or "").encode())


if __name__ == "__main__":
    finish(main)
