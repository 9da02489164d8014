"""Bit widths for the layers of a small CNN: QAOA with the XY mixer, against the exact optimum of the same model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dimod
import numpy as np

from bench.networks.problems import NetworkCase, stored_cases
from bench.tables import Row, Table, percent_with_range, with_range
from qubo_backends._qaoa.subspace import Subspace
from qubo_backends._shared.sampling import dense_arrays, indexed
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import SolveOptions
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solve import solve

NETWORK = "mnist-cnn"
IMAGES, SHOTS = 256, 100


class Asked(QaoaBackend):
    """`qaoa` that remembers all it returned, and what it was asked last."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dimod.SampleSet] = []

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """See `QaoaBackend`."""
        self.problem = problem
        self.found.append(super().sample_constrained(problem, options))
        return self.found[-1]

    def chances(self) -> tuple[np.ndarray, np.ndarray]:
        """[states] energies of all states that keep the groups, and their chances in the last circuit."""
        model = indexed(self.problem.objective, dimod.BINARY)
        place = {variable: index for index, variable in enumerate(self.problem.variables)}
        groups = [[place[variable] for variable in group] for group in self.problem.one_hot.values()]
        ansatz = Subspace(*dense_arrays(model), groups)
        info = self.found[-1].info
        state = ansatz.evolved(np.array(info["gammas"]), np.array(info["betas"]))
        return ansatz.energies, np.abs(state) ** 2


def rows(
    options: Sequence[tuple[int, ...]], depths: Sequence[int], bits_per_weight: float, seeds: int
) -> Iterator[Row]:
    """One per list of options and depth; the network is measured once per list.

    Args:
        options: bit widths that every layer can have, ascending; 0 prunes it.
        depths: layers of the circuit; 0 stands for states drawn at random.
        bits_per_weight: the budget, everything stored counted.
        seeds: of the solves.
    """
    for case in stored_cases(None, IMAGES, ["layer"], options, bits_per_weight):
        best = enumerated_optimum(case.problem)
        assert best is not None  # all lists are short
        for depth in depths:
            yield _row(case, depth, best, seeds)


def _row(case: NetworkCase, depth: int, best: float, seeds: int) -> Row:
    row: Row = {
        **{"options": list(case.options), "layers": case.units, "variables": len(case.problem.variables)},
        **{"states": len(case.options) ** case.units, "depth": depth, "optimum": best},
        **{name: [] for name in ("hit", "ratio", "shot_distance", "plan_distance", "calls")},
    }
    # Without phases and mixing the state stays uniform over the states that keep the groups.
    still = {"depth": 1, "initial_angles": ([0.0], [0.0]), "max_evaluations": 0}
    for seed in range(seeds):
        backend = Asked()
        values = {"num_reads": SHOTS, "seed": seed, **({"depth": depth} if depth else still)}
        found = solve(case.problem, backend, values, presolve=False)
        energies, chances = backend.chances()
        least, mean = energies.min(), energies.mean()
        row["hit"].append(float(chances[energies < least + 1e-9 * (mean - least)].sum()))
        row["ratio"].append(float((mean - chances @ energies) / (mean - least)))
        shots = [case.problem.decode(sample) for answer in backend.found for sample in answer.samples(sorted_by=None)]
        for name, answers in (("shot_distance", shots), ("plan_distance", [found.best])):
            kept = [each.objective for each in answers if each.feasible]
            row[name].append((min(kept) - best) / abs(best) if kept else None)
        row["calls"].append(len(found.calls))
    return row


def _cells(row: Row) -> list[str]:
    return [
        ",".join(map(str, row["options"])),
        str(row["variables"]),
        f"{row['states']:,}",
        str(row["depth"] or "random"),
        with_range(row["hit"], ".2g"),
        with_range(row["ratio"], ".3f"),
        percent_with_range(row["shot_distance"]),
        percent_with_range(row["plan_distance"]),
    ]


TABLE = Table(
    "options | variables | states in the groups | p | P(optimum) | ratio | best shot above the optimum, % "
    "| plan above the optimum, %",
    _cells,
    "Layers of a network",
    f"`zoo:{NETWORK}`, one bit width for each of its layers under a budget of stored bits (3 per weight by default), "
    f"measured on {IMAGES} images. `solve` asks `qaoa` in rounds, {SHOTS} shots each, with the budget as a Lagrangian "
    "term, and repairs what it returns. Random: the same with states drawn uniformly from those that keep the groups. "
    "P(optimum) and ratio are of the last circuit, exactly: how likely the best state is of the model it was "
    "asked, and how far its expected energy is on the way from the mean of all states (0) to the least (1). "
    "Distances from the exact optimum of the problem with its budget are relative to that: of the best shot of "
    "all rounds that keeps the budget, and of the plan, which is what repair made of the shots.",
)
