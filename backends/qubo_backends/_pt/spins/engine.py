"""One ladder of replicas, advanced sweep by sweep, with all that happens between sweeps.

What it does depends on its seed and on the number of sweeps alone: events stand at fixed numbers of sweeps, so that it
does not matter how these are cut into calls.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import FIRST_WINDOW, Ladder, forget, new_ladder, space_measured
from qubo_backends._pt.ledger import Ledger
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.temperatures import measured_coldest, measured_replicas

# What finds states: those that are given, sweeps with their cluster moves and descents, and searches: tabu, by flips of
# all spins or with auxiliary ones minimised out or among sets without conflicts, and walks, without auxiliary spins.
START, SWEEPS, TABU, PROJECTED, CONFLICT = "start", "sweeps", "tabu", "projected tabu", "conflict tabu"
WALK = "projected walk"
# Replicas that start at random are brought from the hottest temperature to their own within this many sweeps.
_ANNEALED = 32
# A run starts anew where it found nothing better for this many times the sweeps until its best, and for this many
# besides.
_STALE, _STALE_BESIDES = 2, 1000
# Errors of rounding in fields and energies are swept up this often.
_SWEEPS_BETWEEN_SUMS = 256


class SpinEngine(ABC):
    """An engine on a `SpinModel`; how replicas are swept is for subclasses to say.

    Args:
        model: to be sampled.
        temperatures: coldest and hottest to begin with.
        replicas: how many temperatures.
        keep: size of the elite.
        rng: of every random choice.
        states: [k, n] of -1 and 1 to start from, or None for random ones.
        target: energy in the model's unit at which to stop.
        period: sweeps between two harvests for the elite.
        adapts: whether the coldest temperature follows what is measured.
        joining: whether replicas start at random, and the states take the place of the coldest after their annealing,
            where these are worse. Otherwise all replicas start from the states.
        searches: names of what searches beside the sweeps.
    """

    def __init__(
        self,
        model: SpinModel,
        temperatures: tuple[float, float],
        replicas: int,
        keep: int,
        rng: np.random.Generator,
        states: NDArray[np.int8] | None,
        target: float,
        period: int,
        adapts: bool = False,
        joining: bool = False,
        searches: Iterable[str] = (TABU,),
    ) -> None:
        self.model, self.period, self.target = model, period, target
        self.elite = Elite(keep)
        self.ledger = Ledger([START, SWEEPS, *searches], model.least_gain)
        betas = 1.0 / np.geomspace(*temperatures, replicas)
        self.ladder = new_ladder(betas, rng.integers(0, 2**64, size=1, dtype=np.uint64))
        self.attempts = self.sweeps = self.restarts = self.improved = 0
        self.sweeping = 0.0
        self.reached = False
        self._rng, self._adapts = rng, adapts
        self._anneals = states is None or joining
        self._joining = states if joining else None
        # Sweeps at which this run began, the ladder was set, and will be set again.
        self._began = 0
        self._set_at = _ANNEALED if self._anneals else 0
        self._set_next = self._set_at + FIRST_WINDOW
        # Of this run: its best energy as computed while sampling, and exactly, and after how many sweeps it was found.
        self._lowest = self._best = math.inf
        self._improved = 0
        # Best energies of the runs that restarts ended, and of all.
        self._ended: list[float] = []
        self._best_of_all = math.inf
        self._rates = np.zeros(replicas)
        for state in () if states is None else states:
            self.keep(state)
        if states is not None:
            self.ledger.did(START, 0, calls=len(states))
            self.ledger.found(START, self.elite.best_energy)
        # What found the best of the states since the last period ended.
        self._unnoted = SWEEPS
        if states is None or joining:
            self.set_states(self._random_states())
        else:
            self.set_states(states[np.arange(replicas) % len(states)])

    @abstractmethod
    def compile(self) -> None:
        """Compile the kernels that this model needs, or load them from disk; nothing is sampled."""

    @abstractmethod
    def temper(self, ladder: Ladder, first: int, last: int) -> int:
        """Do sweeps `first` to `last - 1`; returns the number done, less than `last` where the target seems reached."""

    @abstractmethod
    def sum_fields(self) -> None:
        """Compute fields and energies of all replicas anew."""

    @abstractmethod
    def polished_energies(self) -> NDArray[np.float64]:
        """Of what was polished since the last multiple of the period, up to rounding; infinite where nothing was."""

    @abstractmethod
    def polished(self, index: int) -> NDArray[np.int8]:
        """[n] one of these states."""

    @abstractmethod
    def polisher(self, index: int) -> str:
        """`SWEEPS` or the name of a search: what found this one."""

    @abstractmethod
    def state(self, replica: int) -> NDArray[np.int8]:
        """[n] of a replica."""

    @abstractmethod
    def flips(self) -> int:
        """Number of flips so far, over all replicas."""

    @abstractmethod
    def set_state(self, replica: int, state: NDArray[np.int8]) -> None:
        """Put one replica into a new state [n]; `sum_fields` is due."""

    @abstractmethod
    def set_states(self, states: NDArray[np.int8]) -> None:
        """Put all replicas into new states [R, n]."""

    @property
    def settled(self) -> bool:
        """See `Engine.settled`."""
        bar = self._best_of_all + self.model.least_gain
        reached = sum(energy <= bar for energy in (*self._ended, self._best))
        return len(self._ended) <= 2 * reached

    @property
    def found_by(self) -> str | None:
        """See `Engine.found_by`."""
        unnoted = self.elite.best_energy < self.ledger.best_energy - self.model.least_gain
        return self._unnoted if unnoted else self.ledger.found_by

    def advance(self, sweeps: int) -> None:
        """See `Engine.advance`."""
        goal = self.sweeps + sweeps
        while self.sweeps < goal and not self.reached:
            if self.sweeps % _SWEEPS_BETWEEN_SUMS == 0:
                self.sum_fields()
            first, ladder = self.sweeps, self.ladder
            last = min(goal, self._set_next, *(_next(first, each) for each in (self.period, _SWEEPS_BETWEEN_SUMS)))
            if self._anneals and first - self._began < _ANNEALED:
                last = first + 1
                share = (last - self._began) / _ANNEALED
                ladder = replace(ladder, betas=ladder.betas[-1] + share * (ladder.betas - ladder.betas[-1]))
            self.sweeps = self.temper(ladder, first, last)
            moves = (self.sweeps - first) * len(ladder.betas) * self.model.n
            self.attempts += moves
            self.ledger.did(SWEEPS, moves, calls=self.sweeps - first)
            ended = self.sweeps % self.period == 0
            if ended or self.sweeps in (1, goal) or self.sweeps < last:
                self._gather(self.polished_energies(), self.polished, self.polisher, ended)
            if ended:
                self._gather(self.ladder.energies, self.state, lambda _: SWEEPS, ended)
            if ended and self.sweeps - self._began > (1 + _STALE) * self._improved + _STALE_BESIDES:
                self._restart()
            if self.sweeps == _ANNEALED and self._joining is not None:
                self._join(self._joining)
            if self.sweeps == self._set_at:
                forget(self.ladder)
            if self.sweeps == self._set_next:
                self._rates = self.ladder.accepted / np.maximum(self.ladder.offered, 1)
                space_measured(self.ladder, self.sweeps - self._set_at, self._coldest())
                self._set_at, self._set_next = self.sweeps, 2 * self.sweeps

    def report(self) -> dict[str, Any]:
        """See `Engine.report`."""
        return {
            "temperatures": (self.model.unit / self.ladder.betas).tolist(),
            "move_acceptance": self.flips() / max(self.attempts, 1),
            "exchange_acceptance": self._rates[:-1].tolist(),
            "round_trips": int(self.ladder.trips[0]),
            "restarts": self.restarts,
        }

    def keep(self, state: NDArray[np.int8]) -> None:
        """Offer a state [n] to the elite, with its exact energy."""
        bits = (state > 0).astype(np.int8)
        # On small models, most of what replicas reach is known, and its energy would take longer than the sweeps.
        if bits in self.elite:
            return
        energy = self.model.energy(state)
        self.elite.offer(bits, energy)
        self.reached |= energy <= self.target

    def _gather(
        self,
        energies: NDArray[np.float64],
        state: Callable[[int], NDArray[np.int8]],
        finder: Callable[[int], str],
        ended: bool,
    ) -> None:
        """Take into the elite what is good enough of these states.

        Args:
            energies: [k] of them, up to rounding.
            state: [n] one of them.
            finder: what found it.
            ended: whether a period has; before, nothing counts that would depend on how a run is cut into calls.
        """
        best = int(np.argmin(energies))
        if not ended:
            self._unnoted = finder(best)
        for index in np.argsort(energies, kind="stable").tolist():
            if energies[index] >= self.elite.bar:
                break
            self.keep(state(index))
        if ended and energies[best] < self._lowest - self.model.least_gain:
            self._lowest = float(energies[best])
            # It may be lower by rounding alone.
            exact = self.model.energy(state(best))
            self.ledger.found(finder(best), exact)
            if exact < self._best - self.model.least_gain:
                self._best, self._improved = exact, self.sweeps - self._began
                if exact < self._best_of_all - self.model.least_gain:
                    self._best_of_all, self.improved = exact, self.sweeps

    def _coldest(self) -> float | None:
        """The coldest temperature by what is sampled there, or None to leave it."""
        if not self._adapts:
            return None
        states = np.array([self.state(replica) for replica in measured_replicas(self.ladder)])
        return measured_coldest(self.model, self.ladder, states)

    def _join(self, states: NDArray[np.int8]) -> None:
        """Put states in place of the coldest replicas, where these are worse."""
        for replica, state in zip(self.ladder.at, states, strict=False):
            if self.model.energy(state) < self.ladder.energies[replica] - self.model.least_gain:
                self.set_state(int(replica), state)
        self.sum_fields()

    def _restart(self) -> None:
        """Leave a run that finds nothing any more."""
        self._ended.append(self._best)
        self.set_states(self._random_states())
        self.sum_fields()
        self._anneals, self._began, self._improved = True, self.sweeps, 0
        self._lowest = self._best = math.inf
        self.restarts += 1

    def _random_states(self) -> NDArray[np.int8]:
        drawn = self._rng.integers(0, 2, (len(self.ladder.betas), self.model.n), np.int8)
        return drawn * np.int8(2) - np.int8(1)


def _next(sweep: int, every: int) -> int:
    return (sweep // every + 1) * every
