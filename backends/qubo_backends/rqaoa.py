"""Recursive QAOA: one layer's correlations decide which spins to tie together, until few enough are left to enumerate.

Source: Bravyi, Kliesch, Koenig & Tang 2020, "Obstacles to variational quantum optimization from symmetry protection",
arXiv 1910.08980. Correlations of one layer are known in closed form, so there is no limit by a state vector.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod

from qubo_backends import _ocean, _sampling
from qubo_backends._qaoa.options import RqaoaOptions
from qubo_backends._qaoa.variants import Variants
from qubo_dnn.backend import Capabilities, SolveOptions

_MOST = 400


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

    def check_ready(self, live: bool) -> str:
        """Return whether it can be used; see `qubo_dnn.backend.Checkable`."""
        return self._variant.check_ready(live)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        After the time limit or Ctrl-C the spins that are left are fixed one by one against their fields; what earlier
        circuits and runs have found is kept.

        Raises:
            UnsupportedProblemError: more qubits than can be simulated; the text says what they would take.
            TimeLimitError: the first circuit alone would take longer than the time limit, or a service does.
            CancelledError: Ctrl-C came before a service's first answer.
            BackendFailedError: a service failed.
        """
        options = _sampling.typed_options(self, options, RqaoaOptions)
        if self._variant.name != "exact":
            self._variant.check_qubits(bqm.num_variables)

        def drawn(job: _ocean.SamplerJob) -> Any:
            # Not at the top: a problem is refused without waiting for numba.
            from qubo_backends._qaoa.elimination import draw

            return draw(job, options, self._variant.primitive(job.bqm.num_variables, job.seed, options))

        return _ocean.run(self, bqm, options, dimod.SPIN, drawn)
