"""One layer's correlations, and the spins that they eliminate one after another. See `qubo_backends.rqaoa`."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._qaoa.angles import typical_energy
from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import (
    check_time,
    cost_of_elimination,
    gates_of,
    seconds_of,
    sentence_of_elimination,
)
from qubo_backends._qaoa.options import RqaoaOptions
from qubo_backends._qaoa.primitives import Primitive
from qubo_backends._qaoa.simulator import energies_of_states
from qubo_backends._qaoa.single_layer import amplitudes, expectations
from qubo_backends._qaoa.states import Floats
from qubo_backends._shared import ocean, sampling
from qubo_dnn.backend import PROGRESS
from qubo_dnn.errors import CancelledError, TimeLimitError

# Gammas of the first step in units of the typical energy, and factors on the last step's best one.
_FIRST, _LATER = np.linspace(0.05, 3.0, 40), np.geomspace(0.5, 2.0, 13)
_BETAS = np.linspace(-np.pi / 4, 0.0, 33)
# Seconds on one core: of a pair's coupling to a third spin, of looking for one, of a pair's energy at one beta, and of
# the call for all pairs.
_COSINE, _VISIT, _ENERGY, _CALL = 2.5e-8, 3.2e-9, 1e-8, 1.5e-5
_log = logging.getLogger(f"{PROGRESS}.rqaoa")


def draw(
    job: ocean.SamplerJob, options: RqaoaOptions, primitive: Primitive | None
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """One row for every run that came to its end, and what happened.

    Args:
        job: of the call, its model in SPIN.
        options: of the call.
        primitive: that measures correlations; None takes their closed form.

    Raises:
        TimeLimitError: the first circuit would take longer than the time limit and cannot be interrupted, or had no
            answer by then.
        CancelledError: Ctrl-C came before the first circuit's answer.
    """
    fields, couplings = sampling.dense_arrays(job.bqm)
    # More than one run for its own sake, when only a time is given, would be more of the same.
    runs = 1 if job.reads == ocean.MAX_READS else job.reads
    said: dict[str, Any] = {
        "qubits": len(fields),
        "seconds_of_search": runs * _search_seconds(couplings, options.cutoff),
    }
    if primitive is not None and len(fields) > options.cutoff:
        gates = gates_of(Transverse(fields, couplings), [float(_FIRST[0])], [float(_BETAS[0])])
        first = primitive.prepared(len(fields), gates)
        said |= cost_of_elimination(first, primitive, options, runs, len(fields))
    _log.info("rqaoa: %s", sentence_of_elimination(said))
    check_time("the first circuit alone", said.get("seconds_of_circuit"), job.watch.time_limit)
    states: list[NDArray[np.int8]] = []
    steps: list[int] = []
    for read, seed in enumerate(np.random.SeedSequence(job.seed).spawn(runs)):
        if states and job.watch.over:
            break
        rng = np.random.default_rng(seed) if read else None
        run = _Run(fields.copy(), couplings.copy(), options, rng, primitive)
        try:
            states.append(run.solved(job.watch))
        except (TimeLimitError, CancelledError):
            if not states:
                raise
            break
        steps.append(run.steps)
        _log.debug("rqaoa: run %d of %d, %d spins eliminated", read + 1, runs, run.steps)
    return np.array(states, np.int8), {**said, "steps": steps}


def _search_seconds(couplings: Floats, cutoff: int) -> float:
    """About how long the closed form takes in one run."""
    n = len(couplings)
    degrees = np.count_nonzero(couplings, axis=1)
    pairs = float(degrees.sum()) / 2.0
    once = _COSINE * float(degrees @ degrees) + _VISIT * pairs * n + len(_BETAS) * _ENERGY * pairs
    later = range(n - 1, cutoff, -1)
    # What every step leaves is smaller, and denser at most by as much as makes this a cube.
    angles = once * (len(_FIRST) + len(_LATER) * sum((size / n) ** 3 for size in later))
    return angles + len(_BETAS) * _CALL * (len(_FIRST) + len(_LATER) * len(later))


class _Run:
    """One elimination, from all spins to none.

    Args:
        fields: [n], changed.
        couplings: [n, n], changed.
        options: of the call.
        rng: draws among the most correlated ones; None takes the first.
        primitive: measures correlations; None takes their closed form.
    """

    def __init__(
        self,
        fields: Floats,
        couplings: Floats,
        options: RqaoaOptions,
        rng: np.random.Generator | None,
        primitive: Primitive | None,
    ) -> None:
        self.fields, self.couplings, self.options, self.rng = fields, couplings, options, rng
        self.primitive = primitive
        self.left = np.arange(len(fields))
        self.steps = 0
        # (spin, the spin it is tied to or -1 where it is fixed, sign), in the order of elimination.
        self.ties: list[tuple[int, int, int]] = []
        self._gamma: float | None = None

    def solved(self, watch: sampling.InterruptGuard) -> NDArray[np.int8]:
        """[n] spins.

        Raises:
            TimeLimitError, CancelledError: the first circuit had no answer.
        """
        while len(self.left) > self.options.cutoff:
            try:
                single, pairs, rows, columns = self._measured(watch)
            except (TimeLimitError, CancelledError):
                if not self.steps:
                    raise
                self._finish_by_fields()
                break
            strengths = np.concatenate([np.abs(single), np.abs(pairs)])
            if not len(pairs) and not np.any(single):
                break
            self._eliminate(self._chosen(strengths), single, pairs, rows, columns)
            self.steps += 1
            if watch.over:
                self._finish_by_fields()
                break
        spins = np.ones(len(self.fields), np.int8)
        if len(self.left):
            fields, couplings = self._rest()
            # More are left only where nothing acts on any of them.
            if len(self.left) <= self.options.cutoff:
                best = int(np.argmin(energies_of_states(fields, couplings)))
                spins[self.left] = 1 - 2 * ((best >> np.arange(len(self.left))) & 1)
        for spin, to, sign in reversed(self.ties):
            spins[spin] = sign if to < 0 else sign * spins[to]
        return spins

    def _rest(self) -> tuple[Floats, Floats]:
        return self.fields[self.left].copy(), np.ascontiguousarray(self.couplings[np.ix_(self.left, self.left)])

    def _measured(self, watch: sampling.InterruptGuard) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
        """<Z> of every spin left and <Z Z> of every pair, at the angles of least energy."""
        fields, couplings = self._rest()
        unit = typical_energy(fields, couplings)
        fields, couplings = fields / unit, couplings / unit
        rows, columns = np.nonzero(np.triu(couplings))
        biases = couplings[rows, columns]
        gammas = _FIRST if self._gamma is None else self._gamma * _LATER
        best = np.inf, 0.0, fields, biases
        angle = 0.0
        for gamma in gammas.tolist():
            parts = amplitudes(fields, couplings, rows, columns, gamma)
            for beta in _BETAS.tolist():
                single, pairs = expectations(*parts, beta)
                energy = float(fields @ single + biases @ pairs)
                if energy < best[0]:
                    best, angle = (energy, gamma, single, pairs), beta
            if watch.over:
                break
        self._gamma = best[1] or None
        if self.primitive is None:
            return best[2], best[3], rows, columns
        # Fields and couplings are in their unit already, and the ansatz takes gammas in its own, which is 1 then.
        gates = gates_of(Transverse(fields, couplings), [best[1]], [angle])
        prepared = self.primitive.prepared(len(fields), gates)
        check_time("the next circuit", seconds_of(self.primitive, prepared, self.options.shots), watch.seconds_left)
        spins = 2.0 * self.primitive.shots(prepared, self.options.shots, watch) - 1.0
        return spins.mean(axis=0), (spins[:, rows] * spins[:, columns]).mean(axis=0), rows, columns

    def _chosen(self, strengths: Floats) -> int:
        """The strongest correlation, or one of the strongest by lot."""
        if self.rng is None:
            return int(np.argmax(strengths))
        order = np.argsort(-strengths, kind="stable")[: self.options.choices]
        return int(self.rng.choice(order))

    def _eliminate(
        self, which: int, single: Floats, pairs: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> None:
        """Fix a spin, or tie one to another."""
        if which < len(single):
            spin, sign = int(self.left[which]), 1 if single[which] >= 0.0 else -1
            self.fields += sign * self.couplings[spin]
            self.ties.append((spin, -1, sign))
        else:
            edge = which - len(single)
            sign = 1 if pairs[edge] >= 0.0 else -1
            to, spin = int(self.left[rows[edge]]), int(self.left[columns[edge]])
            self.fields[to] += sign * self.fields[spin]
            self.couplings[to] += sign * self.couplings[spin]
            self.couplings[:, to] += sign * self.couplings[spin]
            self.couplings[to, to] = 0.0
            self.ties.append((spin, to, sign))
        self.couplings[spin] = 0.0
        self.couplings[:, spin] = 0.0
        self.fields[spin] = 0.0
        self.left = self.left[self.left != spin]

    def _finish_by_fields(self) -> None:
        """Fix every spin but as many as can be enumerated, each against its own field."""
        while len(self.left) > self.options.cutoff:
            felt = self.fields[self.left]
            which = int(np.argmax(np.abs(felt)))
            self._eliminate(which, -felt, np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
