"""The ladder of replicas over choices: started, annealed, spaced, advanced sweep by sweep, and polished copies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.feasible_start import repair
from qubo_backends._pt.choices.model import ChoiceProblem, least_change
from qubo_backends._pt.choices.priced_annealing import anneal_at_prices
from qubo_backends._pt.choices.replicas import Replicas, replicas_of
from qubo_backends._pt.choices.searches.assignments import AssignmentSearches
from qubo_backends._pt.choices.searches.chains import ChainSearches
from qubo_backends._pt.choices.searches.pacing import Searches
from qubo_backends._pt.choices.searches.subsets import SubsetSearches
from qubo_backends._pt.choices.separable_start import draw_separable
from qubo_backends._pt.choices.sweeps import ladder_of, quench, run_sweeps, sum_up
from qubo_backends._pt.choices.temperatures import float32_suffices, space_temperatures, temperature_range
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import forget
from qubo_backends._pt.ledger import Ledger

# What finds states: starts within the constraints, the given ones among them, with the annealing at prices; sweeps and
# quenches; and searches.
START, SWEEPS, ASSIGNMENT, SUBSET, CHAIN = "start", "sweeps", "assignment", "subset", "chain"
# Sweeps between two offers to the elite, such blocks between two quenches, and most sweeps of a quench.
_BLOCK, _POLISHED, _PASSES = 16, 4, 16
# Sweeps of the first annealing, in which all replicas take part.
_ANNEALING = 64
# Where the ladder spans less than this all are annealed again, from where this share of the energy was still to fall.
_LEAST_SPAN, _REHEATED = 2.0, 0.1
# Sweeps after it, at half of which and at the end of which temperatures are spaced once more.
_SETTLING = 64
# Copies of the coldest states that are quenched for the elite, and states that temperatures are measured on.
_PROBES = 4
# States drawn site by site are good where they have this share of what a quench gains.
_NEARLY = 0.8
# Attempts to find a state within the constraints; after these the least violated is the answer.
_ATTEMPTS = 8


class ChoiceEngine:
    """One ladder of replicas of one constrained problem, advanced sweep by sweep.

    What it does depends on its seed and on the number of sweeps alone, never on how these are cut into calls of
    `advance`. Where no start within the constraints is found, every further sweep is another attempt to find one.

    Args:
        choices: the problem.
        num_replicas: temperatures, one replica at each.
        seed: of every random choice.
        keep: states that the elite keeps.
        temperatures: coldest and hottest, or None to measure them.
        initial_states: [k, n] of 0 and 1 in the problem's order to start from, at the replicas' own temperatures
            at once; those that break constraints are repaired.
        joining: whether replicas start at random, and the initial states take the place of the worst after their
            annealing, where these are worse.
        target: energy, without the offset, at which `reached` becomes true.
        over: True ends the search for starts and the annealing at prices, which come before the first sweep and take
            seconds on large problems.

    Attributes:
        elite: the best different states so far, all within the constraints.
        least_violated: [n] what to answer while the elite is empty, None where it is not.
        attempts: moves offered so far, over all replicas.
        attempts_per_sweep: 0 where the constraints leave no move.
        sweeps: made so far.
        sweeping: seconds that they took.
        improved: sweeps after which the best state was found.
        settled: True, since nothing restarts.
    """

    settled = True

    def __init__(
        self,
        choices: ChoiceProblem,
        *,
        num_replicas: int,
        seed: np.random.SeedSequence,
        keep: int = 1,
        temperatures: tuple[float, float] | None = None,
        initial_states: NDArray[np.int8] | None = None,
        joining: bool = False,
        target: float = -math.inf,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.choices = choices
        self._target, self._over = target, over
        self.elite = Elite(keep)
        self.least_violated: NDArray[np.int8] | None = None
        self.attempts = self.sweeps = self.improved = 0
        self.sweeping = 0.0
        self._rng = np.random.default_rng(seed)
        self._given = temperatures
        given = None if initial_states is None else choices.choices(initial_states)
        self._initial = None if joining else given
        self._joining = given if joining else None
        self._count = num_replicas
        self._workspace, self._polishing = (new_workspace(choices.model, count) for count in (num_replicas, _PROBES))
        self.attempts_per_sweep = num_replicas * sum(self._workspace.moves)
        self._replicas: Replicas | None = None
        self._precision: type[Any] = np.float32
        self._begun = self._counted_from = 0
        self._betas, self._path = np.ones(num_replicas), np.empty(0)
        self._annealed_from, self._reheated = 0, 1.0
        self._means: list[NDArray[np.float64]] = []
        self._cold = np.empty((0, len(choices.model.firsts)), np.int32)
        self._energies = np.empty((_BLOCK, num_replicas))
        self._least = math.inf
        self._least_change = least_change(choices.model)
        chains = ChainSearches(choices.model, choices.constraints.scales, self.attempts_per_sweep, self._rng)
        self._searches = {
            ASSIGNMENT: Searches(AssignmentSearches(choices.model, self._rng), _BLOCK),
            SUBSET: Searches(SubsetSearches(choices.model, self._rng), _BLOCK),
            CHAIN: Searches(chains, _BLOCK),
        }
        self.ledger = Ledger([START, SWEEPS, *self._searches], self._least_change)
        self._thorough = not chains.useful
        self._start()

    @property
    def found_by(self) -> str | None:
        """See `Engine.found_by`."""
        return self.ledger.found_by

    @property
    def reached(self) -> bool:
        """Return whether nothing is left to do: no move is possible, the target is met, or no start can be found."""
        gave_up = self.least_violated is not None and self.sweeps >= _ATTEMPTS
        return gave_up or not self.attempts_per_sweep or self.elite.best_energy <= self._target

    def advance(self, sweeps: int) -> None:
        """See `qubo_backends._pt.drive.Engine.advance`."""
        end = self.sweeps + sweeps
        while self.sweeps < end:
            if self._replicas is None:
                if self.elite.best_energy <= self._target:
                    return
                self.sweeps += 1
                self._start()
                continue
            done = (self.sweeps - self._begun) % _BLOCK
            first = self.sweeps - self._begun
            annealed = first - self._annealed_from
            steps = min(end - self.sweeps, _BLOCK - done)
            for name, searches in self._searches.items():
                if searches.sweeps_left(first) <= 0:
                    self._search(name, first)
                    if self.elite.best_energy <= self._target:
                        return
                steps = int(min(steps, searches.sweeps_left(first)))
            if annealed < len(self._path):
                # All replicas anneal at one temperature.
                steps, self._ladder.betas[:] = 1, self._path[annealed]
            else:
                self._ladder.betas[:] = self._betas
            started = time.perf_counter()
            run_sweeps(
                self.choices.model,
                self._replicas,
                self._ladder,
                first,
                self._energies[done : done + steps],
                self._workspace,
            )
            self.sweeping += time.perf_counter() - started
            self.sweeps += steps
            self.attempts += steps * self.attempts_per_sweep
            self.ledger.did(SWEEPS, steps * self.attempts_per_sweep, calls=steps)
            if done + steps == _BLOCK:
                self._after_block()

    def report(self) -> dict[str, Any]:
        """See `qubo_backends._pt.drive.Engine.report`; coldest temperature first."""
        if self._replicas is None:
            return {"temperatures": [], "move_acceptance": [], "exchange_acceptance": [], "round_trips": 0}
        ladder, sweeps = self._ladder, max(self.sweeps - self._counted_from, 1)
        return {
            "temperatures": (1.0 / self._betas).tolist(),
            "move_acceptance": (self._replicas.moves / (sweeps * max(sum(self._workspace.moves), 1))).tolist(),
            "exchange_acceptance": (ladder.accepted[:-1] / np.maximum(ladder.offered[:-1], 1)).tolist(),
            "round_trips": int(ladder.trips[0]),
            **{f"{name}_searches": searches.kind.count for name, searches in self._searches.items()},
        }

    def _start(self) -> None:
        """Look for states within the constraints; where there is one, measure temperatures and begin."""
        model = self.choices.model
        if self._initial is None:
            shape = self._count, len(model.firsts)
            found = self._repair(self._rng.integers(0, model.sizes, shape, dtype=np.int32))
            if found is None and self._joining is not None:
                found = self._repair(np.resize(self._joining, shape))
        else:
            found = self._repair(np.resize(self._initial, (self._count, len(model.firsts))))
        if found is None:
            return
        self._begun = self.sweeps
        self.ledger.did(START, 0)
        self._offer(found, START)
        if self._initial is None:
            for name, searches in self._searches.items():
                for _ in range(searches.kind.before if searches.kind.useful else 0):
                    self._search(name, 0)
        if self.reached:
            return
        while True:
            probes = replicas_of(model, np.resize(found, (_PROBES, found.shape[1])), self._rng, self._precision)
            cold, hot = self._given or temperature_range(model, probes, self._polishing, thorough=self._thorough)
            if self._precision is np.float64 or float32_suffices(model, probes.choices, cold):
                break
            self._precision = np.float64
        self._betas = 1.0 / np.geomspace(cold, hot, self._count)
        if self._initial is None:
            found, hot = self._first_states(found, probes.choices, cold, hot)
            # Sweeps in the heat, where most moves are made, cost most and decide least.
            share = 1.0 - (1.0 - np.linspace(0.0, 1.0, _ANNEALING)) ** 2
            self._path = (1.0 / hot) * (hot / cold) ** share
            self._cold = self._cold_states(found, cold)
            if self._joining is not None and (joining := self._repair(self._joining.copy())) is not None:
                self._cold = np.concatenate([self._cold, joining])
            self._offer(self._cold, START)
        self.least_violated = None
        self._replicas = replicas_of(model, found, self._rng, self._precision)
        self._ladder = ladder_of(self._replicas, self._betas.copy(), self._rng)
        self._copies = replicas_of(model, probes.choices, self._rng, self._precision)
        self._offer(probes.choices, START)

    def _first_states(
        self, found: NDArray[np.int32], quenched: NDArray[np.int32], cold: float, hot: float
    ) -> tuple[NDArray[np.int32], float]:
        """States that an annealing starts from, and at which temperature.

        Random ones, at the hottest. Where sites drawn by themselves halfway down are nearly as good as a quench of
        random ones, these: then couplings are a correction, and there is nothing to learn from the heat.
        """
        model, halfway = self.choices.model, float(np.sqrt(cold * hot))
        if not found.size:
            return found, hot
        drawn = self._repair(draw_separable(model, halfway, self._count, self._rng))
        if drawn is None:
            return found, hot
        random, alone, low = (self._sum_up(some[:_PROBES]).energies.mean() for some in (found, drawn, quenched))
        return (drawn, halfway) if random - alone > _NEARLY * (random - low) > 0.0 else (found, hot)

    def _cold_states(self, found: NDArray[np.int32], cold: float) -> NDArray[np.int32]:
        """[k, sites] quenched states at prices for what inequalities ration; none where there are no inequalities.

        Some have sites that were drawn by themselves, the others were annealed at prices. Within constraints an
        annealing changes two sites at a time and may end far above both.

        Args:
            found: [replicas, sites] states to anneal.
            cold: coldest temperature.
        """
        model = self.choices.model
        none = np.empty((0, len(model.firsts)), np.int32)
        if model.inequalities or not len(model.members):
            return none
        annealed = replicas_of(model, found, self._rng, self._precision)
        anneal_at_prices(model, annealed, self.choices.constraints.scales, cold, self._workspace, self._over)
        states = np.concatenate([draw_separable(model, cold, _PROBES, self._rng), annealed.choices])
        within = self._repair(states)
        if within is None:
            return none
        quenched = []
        for some, workspace in ((within[:_PROBES], self._polishing), (within[_PROBES:], self._workspace)):
            replicas = replicas_of(model, some, self._rng, self._precision)
            # Chains bring more than all pairs do, in less time.
            quench(model, replicas, cold, _PASSES, workspace, thorough=self._thorough)
            quenched.append(replicas.choices)
        return np.concatenate(quenched)

    def _enter(self, states: NDArray[np.int32]) -> None:
        """Put states [k, sites] in place of the worst replicas, where these are worse."""
        assert self._replicas is not None
        energies = self._sum_up(states).energies
        for state, energy in zip(states, energies, strict=True):
            worst = int(np.argmax(self._replicas.energies))
            if energy < self._replicas.energies[worst]:
                self._replicas.choices[worst] = state
                self._replicas.energies[worst] = energy
        sum_up(self.choices.model, self._replicas, self._workspace)

    def _repair(self, starts: NDArray[np.int32]) -> NDArray[np.int32] | None:
        """[replicas, sites] states within the constraints, changed from `starts`; None where none could be found."""
        violations = repair(self.choices.model, self.choices.constraints.scales, starts, self._rng, self._over)
        good = np.flatnonzero(violations == 0.0)
        if not len(good):
            if violations.min() < self._least:
                self._least = float(violations.min())
                self.least_violated = self.choices.states(starts[[np.argmin(violations)]])[0]
            return None
        starts[violations > 0.0] = starts[np.resize(good, len(starts) - len(good))]
        return starts

    def _after_block(self) -> None:
        """Offer states and quenched copies to the elite; space the temperatures while they are not settled."""
        assert self._replicas is not None
        replicas, blocks = self._replicas, (self.sweeps - self._begun) // _BLOCK
        self._offer(replicas.choices[replicas.energies < self.elite.bar], SWEEPS)
        self._note(replicas.energies)
        if blocks == 1 or blocks % _POLISHED == 0:
            count = len(self._copies.choices)
            self._copies.choices[:] = replicas.choices[np.resize(self._ladder.at[:count], count)]
            coldest = 1.0 / self._betas[0]
            quench(self.choices.model, self._copies, coldest, _PASSES, self._polishing, thorough=self._thorough)
            self._offer(self._copies.choices, SWEEPS)
            self._note(self._copies.energies)
        if self._given is None:
            self._space()

    def _note(self, energies: NDArray[np.float64]) -> None:
        """Note the energies of states that sweeps or a quench reached."""
        for searches in self._searches.values():
            searches.note(float(energies.min()))

    def _search(self, name: str, sweeps: int) -> None:
        """Search from what is known and from one of the coldest replicas, by turns; so many sweeps after the start."""
        cold, searches = None, self._searches[name]
        if self._replicas is not None:
            replica = self._ladder.at[searches.kind.count // 2 % max(self._count // 4, 1)]
            cold = self._replicas.choices[replica]
        known = self.choices.choices(self.elite.states[0][None])[0] if self.elite.states else cold
        if known is None:
            return
        before = searches.kind.moves
        found, energy = searches.search(sweeps, known, cold)
        self.ledger.did(name, searches.kind.moves - before)
        if energy < self.elite.bar:
            self._offer(found[None], name)

    def _space(self) -> None:
        """Space the temperatures by the energies of the annealing, and twice by those that follow.

        Where even so the replicas are too few to reach from the cold to where states change, exchanges bring nothing
        new. Then all are annealed again from where the energy begins to fall in earnest, each time twice as long.
        """
        after = self.sweeps - self._begun - self._annealed_from - len(self._path)
        if after > _SETTLING:
            return
        self._means.append(self._energies.mean(axis=1 if after <= 0 else 0))
        if after == 0 and len(self._path):
            if len(self._cold):
                self._enter(self._cold)
            energies = np.concatenate(self._means)
            self._betas = space_temperatures(self._path[::-1], energies[::-1], self._count)
            decided = energies > energies[-1] + _REHEATED * (energies[0] - energies[-1])
            self._reheated = self._path[np.flatnonzero(decided)[-1]] if decided.any() else self._path[0]
        elif after in (_SETTLING // 2, _SETTLING):
            energies = np.mean(self._means[-_SETTLING // 2 // _BLOCK :], axis=0)
            self._betas = space_temperatures(self._betas, energies, self._count)
        if after == _SETTLING:
            self._forget()
            if len(self._path) and self._count > 1 and self._betas[0] < _LEAST_SPAN * self._betas[-1]:
                self._annealed_from = self.sweeps - self._begun
                self._path = np.geomspace(self._reheated, self._path[-1], 2 * len(self._path))
                self._means = []

    def _forget(self) -> None:
        """Count from here on, but let replicas keep their temperatures."""
        assert self._replicas is not None
        forget(self._ladder)
        for counted in (self._ladder.headed, self._ladder.trips, self._replicas.moves):
            counted[:] = 0
        self._counted_from = self.sweeps

    def _sum_up(self, choices: NDArray[np.int32]) -> Replicas:
        """States [k, sites] with their exact energies and left sides."""
        replicas = replicas_of(self.choices.model, choices, self._rng, self._precision)
        sum_up(self.choices.model, replicas, self._workspace)
        return replicas

    def _offer(self, choices: NDArray[np.int32], finder: str) -> None:
        """Offer states to the elite, with exact energies; those that rounding let leave the constraints are not.

        Args:
            choices: [k, sites] of the states.
            finder: name in the ledger of what found them.
        """
        if not len(choices):
            return
        exact = self._sum_up(choices)
        lowers, uppers = self.choices.constraints.bounds()
        kept = np.flatnonzero(np.all((lowers <= exact.sums) & (exact.sums <= uppers), axis=1))
        best = self.elite.best_energy
        for state, energy in zip(self.choices.states(choices[kept]), exact.energies[kept].tolist(), strict=True):
            self.elite.offer(state, energy)
        if self.elite.best_energy < best - self._least_change:
            self.improved = self.sweeps
            self.ledger.found(finder, self.elite.best_energy)
