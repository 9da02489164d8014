"""Recursive QAOA: one layer's correlations decide which spins to tie together, until few enough are left to enumerate.

Source: Bravyi, Kliesch, Koenig & Tang 2020, "Obstacles to variational quantum optimization from symmetry protection",
arXiv 1910.08980. Correlations of one layer are known in closed form, so there is no limit by a state vector.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends import _ocean, _sampling
from qubo_backends._qaoa.angles import typical_energy
from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import gates_of
from qubo_backends._qaoa.options import CircuitOptions
from qubo_backends._qaoa.primitives import Primitive
from qubo_backends._qaoa.simulator import energies_of_states
from qubo_backends._qaoa.single_layer import amplitudes, expectations
from qubo_backends._qaoa.variants import Variants
from qubo_dnn.backend import Capabilities, SolveOptions

Floats = NDArray[np.float64]
_MOST = 400
# Gammas of the first step in units of the typical energy, and factors on the last step's best one.
_FIRST, _LATER = np.linspace(0.05, 3.0, 40), np.geomspace(0.5, 2.0, 13)
_BETAS = np.linspace(-np.pi / 4, 0.0, 33)


class RqaoaOptions(CircuitOptions):
    """Options of `rqaoa`; `num_reads` runs, the first of which ties the most correlated spins, the others at random."""

    cutoff: int = Field(default=12, ge=1, le=20, description="spins left to be enumerated")
    choices: int = Field(default=3, ge=1, description="most correlated spins or pairs, of which further runs draw one")
    shots: int = Field(default=1000, ge=1, description="of every circuit, where correlations are measured")


class RqaoaBackend:
    """Recursive QAOA with one layer.

    Args:
        variant: where correlations come from: "exact" (default), their closed form, or circuits, measured as by
            `qubo_backends.qaoa.QaoaBackend`; angles come from the closed form always.
        sampler: a SamplerV2, in place of a variant.
        target: device that circuits for `sampler` are transpiled for (default: what the sampler says).

    Raises:
        OptionError: the variant is none, or comes with a sampler.
    """

    name: ClassVar[str] = "rqaoa"
    summary: ClassVar[str] = "recursive QAOA: spins tied together by the exact correlations of one layer"
    options_type: ClassVar[type[SolveOptions]] = RqaoaOptions

    def __init__(self, variant: str | None = None, *, sampler: Any = None, target: Any = None) -> None:
        self._variant = Variants(self.name, variant, sampler, target)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_variables=_MOST if self._variant.name == "exact" else self._variant.most,
            fills_time=False,
            seeded=self._variant.seeded,
            remote=self._variant.remote,
        )

    def examine(self, live: bool) -> str:
        """Whether it can be used; see `qubo_dnn.backend.Examinable`."""
        return self._variant.examine(live)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        After the time limit or Ctrl-C the spins that are left are fixed one by one against their fields.
        """
        options = _sampling.typed_options(self, options, RqaoaOptions)

        def drawn(job: _ocean.Job) -> tuple[NDArray[np.int8], dict[str, Any]]:
            return _draw(job, options, self._variant.primitive(job.bqm.num_variables, job.seed, options))

        return _ocean.run(self, bqm, options, dimod.SPIN, drawn)


def _draw(
    job: _ocean.Job, options: RqaoaOptions, primitive: Primitive | None
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    fields, couplings = _sampling.dense_arrays(job.bqm)
    # More than one run for its own sake, when only a time is given, would be more of the same.
    runs = 1 if job.reads == _ocean.MAX_READS else job.reads
    states: list[NDArray[np.int8]] = []
    steps: list[int] = []
    for read, seed in enumerate(np.random.SeedSequence(job.seed).spawn(runs)):
        if states and job.watch.over:
            break
        rng = np.random.default_rng(seed) if read else None
        run = _Run(fields.copy(), couplings.copy(), options, rng, primitive)
        states.append(run.solved(job.watch))
        steps.append(run.steps)
    return np.array(states, np.int8), {"steps": steps}


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

    def solved(self, watch: _sampling.Watch) -> NDArray[np.int8]:
        """[n] spins."""
        while len(self.left) > self.options.cutoff:
            single, pairs, rows, columns = self._measured(watch)
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

    def _measured(self, watch: _sampling.Watch) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
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
