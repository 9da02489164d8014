"""The paper's claim, part by part, and what the figures say of each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from bench.claims.figures import TARGETS, Reached, reached
from bench.claims.results import MODEL, CaseSummary, ClaimResults

ANNEALING = ("neal", "path-integral", "qpu-emulator")
"""Classical stand-ins for the hardware: thermal annealing, simulated quantum annealing, an emulated chip."""
RIVALS = ("genetic", "reinforcement")
# Two times are told apart where one is this many times the other: limits of runs are a few times as far apart.
_CLEARLY = 3.0


def verdicts(results: ClaimResults) -> list[str]:
    """One paragraph for each part of the claim."""
    return [
        _optima(results),
        *(_quicker(results, rival) for rival in RIVALS),
        *(_nearer(results, rival) for rival in RIVALS if results.rewarded),
        "**Cannot be tested here.** Whether a quantum annealer is quicker or better than these stand-ins: anneals "
        "of microseconds, chains, noise and calibration are the hardware's own. `--backend dwave-qpu` and "
        "`dwave-hybrid` run the same problems where there is access.",
    ]


def _times(results: ClaimResults, case: CaseSummary, backends: Sequence[str], target: float) -> dict[str, Reached]:
    found = {backend: results.of(case.name, backend) for backend in backends}
    return {backend: reached(runs, case.best, target) for backend, runs in found.items() if runs}


def _optima(results: ClaimResults) -> str:
    """Whether annealing finds global optima."""
    always, some, proven = [], [], 0
    for case in results.cases:
        if case.gap is None or case.gap > 1e-6:
            continue
        proven += 1
        each = _times(results, case, ANNEALING, TARGETS[0]).values()
        always += [case.name] * any(one.successes == one.seeds for one in each)
        some += [case.name] * any(one.successes for one in each)
    return (
        f'**"It finds global optima".** Of {len(results.cases)} problems the optimum of {proven} is proven. A stand-in '
        f"for annealing reached it in every seed in {len(always)} of these, in some seed in {len(some)}. "
        + _holds(len(always), proven)
    )


def _quicker(results: ClaimResults, rival: str) -> str:
    """Whether annealing needs less time than another method."""
    won, lost, even = 0, 0, 0
    for case in results.cases:
        for target in TARGETS:
            annealing = _times(results, case, ANNEALING, target).values()
            other = _times(results, case, (rival,), target).values()
            mine = min((one.seconds for one in annealing), default=math.inf)
            theirs = min((one.seconds for one in other), default=math.inf)
            won += mine * _CLEARLY < theirs
            lost += theirs * _CLEARLY < mine
            even += not (mine * _CLEARLY < theirs or theirs * _CLEARLY < mine)
    return (
        f'**"It is quicker than {rival}".** For {len(results.cases)} problems and {len(TARGETS)} targets each (the '
        "best known objective, 0.1 % and 1 % above it) the best stand-in for annealing was at least "
        f"{_CLEARLY:g} times as quick by median in {won}, `{rival}` in {lost}; in {even} neither was, or neither got "
        "there. " + _holds(won, won + lost)
    )


def _nearer(results: ClaimResults, rival: str) -> str:
    """Whether a model that is measured once beats a method that measures plan by plan."""
    won, lost = 0, 0
    for name in dict.fromkeys(each.case for each in results.rewarded):
        mine, theirs = (
            [each.divergence for each in results.rewarded if (each.case, each.backend) == (name, backend)]
            for backend in (MODEL, rival)
        )
        if mine and theirs:
            nearer = statistics.median(mine) < statistics.median(theirs)
            won, lost = won + nearer, lost + (not nearer)
    return (
        f'**"It is quicker than {rival}" with rewards measured on the network**, as its authors have it. In the same '
        f"seconds, measuring included, `pt` on the quadratic model, which is measured once, had the plan of lower "
        f"divergence, on the network itself and by median, in {won} of {won + lost} problems. "
        + _holds(won, won + lost)
    )


def _holds(good: int, all_: int) -> str:
    if not all_:
        return "Nothing to decide it by."
    return "Holds." if good == all_ else "Does not hold." if good == 0 else f"Holds in part: {good} of {all_}."
