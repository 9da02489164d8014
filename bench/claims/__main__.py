"""The claim of arXiv 2505.16332, that annealing outperforms genetic algorithms and reinforcement learning in time and
finds global optima, on problems of real networks.

    python -m bench.claims --data DIR --out bench/claims/results
    python -m bench.claims --report-only --out bench/claims/results

Every backend gets every problem through the same `solve`, in independent runs of growing time limits, one thread each,
several at a time on as many cores; a seed that has reached the best known objective is not run for longer. Problems of
more than 1,000 variables get two seeds and the longest limit only; on small ones the genetic algorithm and the policy
get one longer still (--enough). What `solve` does with the reads of every backend, greedy repair of the budget and
local search, is part of every run: where steepest descent is as good as all others, that is why. Problems are the
options of layers, groups of channels and channels under a budget of 3 stored bits per weight, in this project's
formulation, and the paper's Hamiltonian (filters pruned, bits removed per layer, beta = 1) under the same budget.
Optima are proven by `qubo_dnn.bounds.certificate.certify`; those of the paper's Hamiltonian by its layers, for it falls
apart into layers. Time to solution: seconds until the best known objective is found with a chance of 99 %, with the
95 % interval of the chance (Wilson). Accuracies are of the first seed's plan.

Besides, on the problems of up to 1,000 variables, the genetic algorithm and the policy get what their authors reward:
the divergence of the network itself, measured plan by plan, against `pt` on the model that is measured once, in the
same time, measuring included. Settings of both are tried beforehand, with an equal budget; runs on the model are made
with the best of each, those that measure plans with the defaults.

What was run is kept as it comes, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.claims.by_layers import METHOD, optimum
from bench.claims.cases import ClaimCase, cases, network_of
from bench.claims.measured import rewarded
from bench.claims.outcome import Tested
from bench.claims.page import page
from bench.claims.picture import draw
from bench.claims.results import CaseSummary, ClaimResults, NetworkOutcome
from bench.claims.runs import SolveJob, series
from bench.claims.tuning import tuned
from bench.claims.verdicts import RIVALS
from bench.command import finish, make_parser
from bench.processes import one_thread
from bench.results import read_results, resumed
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.aqc_pruning_quantization import AqcPruningQuantization

BACKENDS = (
    *("neal", "path-integral", "qpu-emulator", "pt", "qaoa", "genetic", "reinforcement", "tabu", "steepest-descent"),
    "exact-milp",
)
GRANULARITIES = ("layer", "group:16", "channel", "paper")
RESULTS = "results.json"
# Variables beyond which a problem is run with fewer seeds, for the longest time only.
_LARGE, _SEEDS_OF_LARGE = 1000, 2
# Units up to which settings are tried on a problem, and the rivals get more time.
_SMALL = 32
# Seconds of the run that all others are first compared with.
_REFERENCE_SECONDS = 5.0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--granularities", nargs="+", choices=GRANULARITIES, default=list(GRANULARITIES))
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.3, 1.0, 3.0], help="time limits of runs")
    parser.add_argument("--enough", type=float, default=60.0, help="one more limit, for the rivals on small problems")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reward-seconds", type=float, default=5.0, help="of searches that measure plans; 0: none")
    parser.add_argument("--reward-seeds", type=int, default=2)
    parser.add_argument("--tuning", type=int, default=8, help="settings to try of genetic and reinforcement; 0: none")
    parser.add_argument("--tuning-seconds", type=float, default=6.0, help="of every run with such a setting")
    parser.add_argument("--certify", type=float, default=30.0, help="seconds to prove an optimum in")
    parser.add_argument("--tests", type=int, default=1000, help="test images")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help=f"for {RESULTS}, README.md and pictures")
    parser.add_argument("--report-only", action="store_true", help="run nothing; page and pictures from --out")
    words = parser.parse_args()
    for name in words.backends:
        get_backend(name)  # what is not there is said before hours of measuring
    return words


def settings(words: argparse.Namespace) -> dict[str, Any]:
    """What decides the figures, by the names on the page."""
    return {
        "seconds": words.seconds,
        "seconds more for the rivals": words.enough,
        "seeds": words.seeds,
        "processes": words.processes,
        "seconds of measured rewards": words.reward_seconds,
        "seeds of measured rewards": words.reward_seeds,
        "settings tried": words.tuning,
        "seconds of tuning": words.tuning_seconds,
        "seconds of proofs": words.certify,
        "test images": words.tests,
    }


def reference(case: ClaimCase, seconds: float, accuracy: float) -> CaseSummary:
    """What can be proven of a long run of `pt`, or of the optimum where it is known without one."""
    problem = case.problem
    if isinstance(case.formulation, AqcPruningQuantization):
        packing = optimum(case.formulation)
        best, bound, proof = packing.damage, packing.bound, f"{METHOD}, {packing.seconds:.0f} s"
    else:
        answer = solve(problem, get_backend("pt"), {"seed": 0, "time_limit": _REFERENCE_SECONDS}).best
        best = answer.objective if answer.feasible else math.inf
        certificate = certify(problem, best if answer.feasible else None, seconds)
        bound, proof = certificate.figures(problem)["bound"], f"{certificate.method}, {certificate.seconds:.0f} s"
    return CaseSummary(
        name=case.name,
        formulation=case.formulation.name,
        measure_seconds=case.measure_seconds,
        units=len(case.task.cost),
        variables=len(problem.variables),
        interactions=problem.objective.num_interactions,
        best=best,
        bound=bound,
        proof=proof,
        reference=accuracy,
    )


def run(words: argparse.Namespace, results: ClaimResults, keep: Callable[[ClaimResults], None]) -> None:
    """All problems, all backends, all networks; what `results` has already is not done again.

    Args:
        words: of the command line.
        results: added to.
        keep: called with them whenever there is more.
    """
    started = time.perf_counter() - results.seconds
    found: dict[str, ClaimCase] = {}
    tested: dict[str, Tested] = {}

    def heard(text: object) -> None:
        results.seconds = time.perf_counter() - started
        keep(results)
        print(text, flush=True)

    for folder in dict.fromkeys((None, words.data)):
        network = network_of(folder, words.tests)
        for case, subject in cases(network, words.granularities):
            found[case.name], tested[case.name] = case, Tested(network, subject)
            if all(about.name != case.name for about in results.cases):
                results.cases.append(reference(case, words.certify, tested[case.name].reference))
                heard(results.cases[-1])
    small = [about for about in results.cases if not about.of_paper and about.units <= _SMALL]
    if small and words.tuning and not results.tuning:
        about = small[-1]
        each = (words.tuning, words.tuning_seconds, words.processes)
        results.tuning[about.name] = tuned(found[about.name], about.best, *each)
        heard("settings tried")
    settings_of = {name: results.best_settings(name) for name in words.backends}
    jobs = [job for about in results.cases for job in _jobs(about, words, settings_of) if not results.has(*job.key)]
    for done, (job, answer) in enumerate(series(list(found.values()), jobs, words.processes), 1):
        results.runs += answer.runs
        if answer.refused is not None:
            results.refused.setdefault(job.case, {})[job.backend] = answer.refused
        if answer.choice is not None and job.seed == 0:
            results.choices.setdefault(job.case, {})[job.backend] = list(answer.choice)
        heard(f"{done} of {len(jobs)}: {job.case}, {job.backend}, seed {job.seed}")
    for place, about in enumerate(results.cases):
        seen = [run.objective for run in results.runs if run.case == about.name and run.objective is not None]
        results.cases[place] = replace(about, best=min([about.best, *seen]))
    results.outcomes = [
        NetworkOutcome(name, backend, *tested[name].of(tuple(choice)))
        for name, choices in results.choices.items()
        for backend, choice in choices.items()
    ]
    heard("networks tested")
    rewardable = [name for name in words.backends if get_backend(name).capabilities.black_box]
    measured = [about for about in results.cases if not about.of_paper and about.variables <= _LARGE]
    for name in [about.name for about in measured if words.reward_seconds]:
        if any(each.case == name for each in results.rewarded):
            continue
        rows = list(rewarded(found[name], tested[name], rewardable, words.reward_seconds, words.reward_seeds))
        results.rewarded += rows
        heard("\n".join(map(str, rows)))


def _jobs(
    about: CaseSummary, words: argparse.Namespace, settings_of: Mapping[str, Mapping[str, Any]]
) -> Iterator[SolveJob]:
    """The runs on one problem. Large ones, whose reading alone takes long, have few."""
    large = about.variables > _LARGE
    limits = tuple(sorted(words.seconds))
    patient = (*limits, words.enough) if about.units <= _SMALL and not about.of_paper else limits
    for seed in range(min(words.seeds, _SEEDS_OF_LARGE) if large else words.seeds):
        for backend, tuned_to in settings_of.items():
            given = limits[-1:] if large else patient if backend in RIVALS else limits
            yield SolveJob(about.name, backend, seed, given, about.best, tuned_to)


def read(folder: Path) -> ClaimResults:
    """The results of a folder.

    Raises:
        FileFormatError: it has none.
    """
    return read_results(folder / RESULTS, ClaimResults)


def main() -> None:
    """Run, or read what was run, and write page and pictures."""
    words = parse()
    if not words.report_only:
        one_thread()
        words.out.mkdir(parents=True, exist_ok=True)
        results = resumed(words.out / RESULTS, ClaimResults, settings(words))
        run(words, results, lambda found: write_json(words.out / RESULTS, asdict(found)))
    results = read(words.out)
    draw(results, words.out)
    write_atomically(words.out / "README.md", page(results, __doc__ or "").encode())


if __name__ == "__main__":
    finish(main)
