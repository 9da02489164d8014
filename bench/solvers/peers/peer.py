"""What a solver has to do to be compared, and what the adapters share."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from bench.solvers.clock import CpuClock

Run = Callable[[CpuClock, int], None]
# Part of the time left that the last piece of work is planned for.
_SAFETY = 0.9
_GROWTH = 2


@dataclass(frozen=True)
class Peer:
    """A solver.

    Attributes:
        name: in tables.
        settings: one line on how it is run.
        package: what pip installs it by; empty for a program.
        needs: `module:attribute` that has to be there.
        prepare: brings a model, or a problem with constraints, into the solver's own form, and calls whatever is
            compiled or imported late; off the clock. What it returns runs once: until the clock is over, with a seed,
            reporting to the clock.
    """

    name: str
    settings: str
    package: str
    needs: str
    prepare: Callable[[Any], Run]

    @property
    def missing(self) -> str | None:
        """Why it cannot run; None where it can."""
        module, _, attribute = self.needs.partition(":")
        try:
            found = importlib.import_module(module)
        except ImportError as cause:
            return f"{self.package} is not installed ({' '.join(str(cause).split())})"
        return None if hasattr(found, attribute) else f"{self.package} has no {attribute}"


@dataclass(frozen=True, eq=False)
class Ising:
    """A SPIN model over 0, ..., n - 1 as arrays.

    Attributes:
        bqm: the model as it came.
        spin: its SPIN form.
        fields: [n].
        rows, columns: [m], rows < columns.
        couplings: [m].
        scale: standard deviation of the local field over random states and all spins, in the unit of the biases; 1.0
            where there are no couplings.
    """

    bqm: dimod.BinaryQuadraticModel
    spin: dimod.BinaryQuadraticModel
    fields: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    couplings: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, bqm: dimod.BinaryQuadraticModel) -> Ising:
        """The arrays of a model."""
        spin = bqm.change_vartype(dimod.SPIN, inplace=False)
        fields, (i, j, couplings), _ = spin.to_numpy_vectors(variable_order=range(len(bqm)))
        scale = math.sqrt(2.0 * float(np.square(couplings).sum()) / len(bqm)) or 1.0
        return cls(bqm, spin, fields, np.minimum(i, j), np.maximum(i, j), couplings, scale)

    @property
    def size(self) -> int:
        return len(self.fields)

    @property
    def dense(self) -> bool:
        """Whether arrays of all pairs are quicker than lists of neighbours."""
        return 5 * len(self.couplings) > self.size**2

    def beta_range(self) -> tuple[float, float]:
        """Inverse temperatures, hot to cold, in units of the local fields."""
        return 0.3 / self.scale, 12.0 / self.scale

    def report(self, clock: CpuClock, spins: NDArray[Any]) -> None:
        """Report the best of states, [rows, n] of -1 and 1 or [n]."""
        states = np.atleast_2d(np.asarray(spins)).astype(np.int8)
        energies = self.spin.energies((states, range(self.size)))
        best = int(np.argmin(energies))
        row = states[best] if self.bqm.vartype is dimod.SPIN else (states[best] + 1) // 2
        clock.report(float(energies[best]), dict(enumerate(row.tolist())))


def calls(clock: CpuClock, seed: int, first: int, most: int | None = None) -> Iterator[tuple[int, int]]:
    """Amounts of work, doubled while there is time, the last as much as fits; each with a seed of its own.

    Args:
        clock: the run ends with it.
        seed: of the run.
        first: amount to begin with; less is not begun.
        most: of a single call, None for any.

    Yields:
        Work, and a seed above 0 and below 2^31, which all peers take.
    """
    rng = np.random.default_rng(seed)
    work = first
    while not clock.over:
        before = clock.seconds
        yield work, int(rng.integers(1, 2**31 - 1))
        spent = max(clock.seconds - before, 1e-9)
        fitting = int(_SAFETY * clock.left * work / spent)
        if fitting < first:
            return
        work = min(_GROWTH * work, fitting, most or fitting)
