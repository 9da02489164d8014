"""Brute force: enumerate all states of a small model, which proves the optimum."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared import sampling
from qubo_backends._shared.enumeration import block_energies, states_at
from qubo_dnn.backend import Capabilities, SolveOptions, check_kinds, check_model
from qubo_dnn.constraint import ConstraintKind, check_finite
from qubo_dnn.errors import BackendFailedError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites
from qubo_dnn.support.arguments import checked

_MAX_VARIABLES = 26
_MAX_STATES = 2**_MAX_VARIABLES
# Short enough to keep rounding errors of the incremental energies small and to check the clock often.
_BLOCK = 2**14
# Extra states to keep, so that rounding cannot hide the true minimum among near ties.
_SPARE = 64


class ExactOptions(SolveOptions):
    """Options of `exact`; it returns the `num_reads` lowest states (default 1, at most all states).

    Example:
        >>> ExactOptions(num_reads=3).num_reads
        3
    """


class ExactBackend:
    """Exhaustive enumeration; one-hot groups are enumerated natively.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = ExactBackend().sample(bqm, ExactOptions()).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = f"brute force over at most 2^{_MAX_VARIABLES} states, a proven optimum"
    options_type: ClassVar[type[SolveOptions]] = ExactOptions

    @property
    def capabilities(self) -> Capabilities:
        kinds = frozenset({ConstraintKind.ONE_HOT})
        return Capabilities(max_variables=_MAX_VARIABLES, exact=True, native_constraints=kinds)

    def block_size(self, options: SolveOptions) -> int:  # noqa: ARG002  # the same for all
        """See `qubo_dnn.backend.BlockSolver`: milliseconds each, since many small blocks serve better than a few."""
        return 16

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Return the lowest states; see `qubo_dnn.backend.Backend.sample`.

        Raises:
            BackendFailedError: the time limit ended the enumeration before the last state, which proves nothing.
        """
        check_model(self, bqm)
        return self._sample(bqm, (), options)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Return the lowest feasible states; see `qubo_dnn.backend.ConstrainedBackend`.

        `capabilities.max_variables` does not apply here; the number of feasible states has the same limit.

        Raises:
            UnsupportedProblemError: too many states, or constraints beyond one-hot groups.
            BackendFailedError: as for `sample`.
        """
        check_kinds(self, problem)
        check_finite(problem.objective)
        return self._sample(problem.objective, tuple(problem.one_hot.values()), options)

    def _sample(
        self, bqm: dimod.BinaryQuadraticModel, groups: Sequence[Sequence[Hashable]], options: SolveOptions
    ) -> dimod.SampleSet:
        options = sampling.typed_options(self, options, ExactOptions)
        order = sampling.natural_order(bqm)
        sites = _sites(order, groups)
        states = sites.states
        if states > _MAX_STATES:
            raise UnsupportedProblemError(
                f"backend {self.name!r} enumerates at most 2^{_MAX_VARIABLES} feasible states, "
                f"the problem has {len(sites.sizes)} groups and free variables with 2^{math.log2(states):.1f}"
            )
        _compile()
        watch = sampling.InterruptGuard(options.time_limit)
        wanted = options.num_reads or 1
        linear, matrix = sampling.dense_arrays(sampling.indexed(bqm, dimod.BINARY))
        positions = self._lowest(linear, matrix, sites, states, wanted + _SPARE, watch)
        bits = states_at(sites, len(order), positions)
        info = {"seed": options.seed, "interrupted": False, "seconds": watch.seconds, "states": states}
        found = sampling.answer(bqm, order, bits, info)
        return found.truncate(wanted, sorted_by="energy")

    def _lowest(
        self,
        linear: NDArray[np.float64],
        matrix: NDArray[np.float64],
        sites: Sites,
        states: int,
        count: int,
        watch: sampling.InterruptGuard,
    ) -> NDArray[np.int64]:
        """Return the positions of the `count` lowest states, lowest first."""
        energies, positions = np.empty(0), np.empty(0, np.int64)
        worst = np.inf
        for first in range(0, states, _BLOCK):
            if watch.over:
                raise BackendFailedError(
                    f"backend {self.name!r} enumerated {first} of {states} states within {watch.time_limit:g} seconds, "
                    f"which proves nothing"
                )
            block = np.empty(min(_BLOCK, states - first))
            block_energies(linear, matrix, sites, first, block)
            low = np.flatnonzero(block < worst)
            energies, positions = np.append(energies, block[low]), np.append(positions, first + low)
            if len(energies) > count:
                # Of equal energies the first ones are kept, as if all were sorted, which takes far longer.
                worst = np.partition(energies, count - 1)[count - 1]
                lower = energies < worst
                ties = np.flatnonzero(energies == worst)[: count - np.count_nonzero(lower)]
                kept = np.sort(np.append(np.flatnonzero(lower), ties))
                energies, positions = energies[kept], positions[kept]
        return positions[np.argsort(energies, kind="stable")]


def _sites(order: Sequence[Hashable], groups: Sequence[Sequence[Hashable]]) -> Sites:
    """Free variables, which change first, and then the groups."""
    index = {variable: position for position, variable in enumerate(order)}
    members = sorted(sorted(index[variable] for variable in group) for group in groups)
    grouped = {variable for group in members for variable in group}
    return Sites.of([*([OFF, v] for v in range(len(order)) if v not in grouped), *members])


@cache
def _compile() -> None:
    """Compile the kernels, or load them from disk, outside the measured time."""
    sites = Sites.of_groups(1, [])
    block_energies(np.zeros(1), np.zeros((1, 1)), sites, 0, np.empty(2))
    states_at(sites, 1, np.zeros(1, np.int64))
