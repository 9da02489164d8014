"""Models too large for a ladder: one replica, annealed again and again, each time in twice as many sweeps.

Energies are proportional to the number of spins n, and their fluctuations to its root, so that a ladder whose replicas
exchange temperatures needs about sqrt(n) of them: thousands for a million spins, whose sweeps would take hours. A
ladder of fewer temperatures never exchanges. One replica that cools down reaches lower energies in the same time, and
takes 1 / 32 of the memory.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import new_ladder
from qubo_backends._pt.ledger import Ledger
from qubo_backends._pt.spins.dense import DenseReplicas, sum_fields, temper_dense
from qubo_backends._pt.spins.descent import descend_all
from qubo_backends._pt.spins.engine import START, SWEEPS
from qubo_backends._pt.spins.model import Couplings
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.spins.temperatures import coldest_by_heat, hottest_by_fields

FIRST_SWEEPS = 32
"""Sweeps of the first annealing, unless the caller sets their number."""

# The coldest temperature is measured on so many spins at most.
_MEASURED_SPINS = 1_000_000


class AnnealingEngine:
    """One replica of a sparse model; see `qubo_backends._pt.drive.Engine`.

    Args:
        couplings: the model, shared by the engines of several threads.
        least_gain: half of the least change of the energy that is no error of rounding.
        rng: of every random choice.
        temperatures: coldest and hottest, or None to measure them on a local minimum.
        keep: size of the elite.
        target: energy at which to stop, in the model's unit.
        first_sweeps: sweeps of the first annealing.
    """

    def __init__(
        self,
        couplings: Couplings,
        least_gain: float,
        rng: np.random.Generator,
        temperatures: tuple[float, float] | None,
        keep: int,
        target: float,
        first_sweeps: int,
    ) -> None:
        n, dtype = couplings.own.size, couplings.own.dtype
        spins = np.zeros((1, -(-n // LANES) * LANES), dtype)
        self._replicas = DenseReplicas(
            couplings=couplings,
            spins=spins,
            fields=np.zeros_like(spins),
            random=rng.integers(1, 2**32, (1, LANES), np.uint32),
            flips=np.zeros(1, np.int64),
        )
        self.elite, self.target = Elite(keep), target
        self.ledger = Ledger([START, SWEEPS], least_gain)
        self.attempts = self.sweeps = self.improved = 0
        self.sweeping, self.reached = 0.0, False
        self._rng, self._n, self._least_gain = rng, n, least_gain
        self._ladder = new_ladder(np.ones(1), rng.integers(0, 2**64, size=1, dtype=np.uint64))
        # Sweeps after which the annealing began, and its sweeps.
        self._began, self._sweeps = 0, first_sweeps
        self._draw()
        hot = hottest_by_fields(self._replicas.fields[:, :n])
        self._settle(START)
        step = -(-n // _MEASURED_SPINS)
        changes = -2.0 * self._replicas.spins[0, :n:step].astype(np.float64) * self._replicas.fields[0, :n:step]
        self.temperatures = temperatures or (coldest_by_heat(changes, 2.0 * least_gain, hot), hot)

    @property
    def settled(self) -> bool:
        """See `Engine.settled`; every annealing is slower than the last, so that more may be found."""
        return True

    @property
    def found_by(self) -> str | None:
        """See `Engine.found_by`."""
        return self.ledger.found_by

    def advance(self, sweeps: int) -> None:
        """See `Engine.advance`."""
        for _ in range(sweeps):
            if self.reached:
                return
            share = (self.sweeps - self._began) / max(self._sweeps - 1, 1)
            cold, hot = self.temperatures
            self._ladder.betas[0] = (1.0 - share) / hot + share / cold
            started = time.perf_counter()
            temper_dense(self._replicas, self._ladder, self.sweeps, self.sweeps + 1)
            self.sweeping += time.perf_counter() - started
            self.sweeps += 1
            self.attempts += self._n
            self.ledger.did(SWEEPS, self._n)
            if self.sweeps == self._began + self._sweeps:
                self._settle(SWEEPS)
                self._began, self._sweeps = self.sweeps, 2 * self._sweeps
                # Heat makes the state random again; flips have gathered errors of rounding.
                sum_fields(self._replicas, self._ladder.energies)

    def settle(self) -> None:
        """End an annealing that was broken off: its local minimum may be the best state."""
        if self.sweeps > self._began:
            self._settle(SWEEPS)

    def report(self) -> dict[str, Any]:
        """See `Engine.report`."""
        return {
            "temperatures": list(self.temperatures),
            "move_acceptance": int(self._replicas.flips[0]) / max(self.attempts, 1),
            "kernel": "annealing",
        }

    def _draw(self) -> None:
        """Take a random state."""
        drawn = self._rng.integers(0, 2, self._n, np.int8)
        np.multiply(drawn, 2, out=drawn)
        drawn -= 1
        self._replicas.spins[0, : self._n] = drawn
        sum_fields(self._replicas, self._ladder.energies)

    def _settle(self, finder: str) -> None:
        """Descend to a local minimum and offer it to the elite, with its energy."""
        spins, fields = (each[:, : self._n] for each in (self._replicas.spins, self._replicas.fields))
        self._ladder.energies[0] += descend_all(self._replicas.couplings, spins, fields, self._least_gain)
        energy = float(self._ladder.energies[0])
        if energy < self.elite.best_energy - self._least_gain:
            self.improved = self.sweeps
        self.ledger.found(finder, energy)
        self.elite.offer(self.state(), energy)
        self.reached |= energy <= self.target

    def state(self) -> NDArray[np.int8]:
        """Return [n] the state, each value 0 or 1."""
        return (self._replicas.spins[0, : self._n] > 0).astype(np.int8)
