"""Recursive QAOA: correlations of one layer decide which spins to tie, until few enough remain to enumerate.

Source: Bravyi, Kliesch, Koenig & Tang 2020, "Obstacles to variational quantum optimization from symmetry protection",
arXiv 1910.08980. Correlations of one layer have a closed form, so no state vector limits the size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod

from qubo_backends._qaoa.options import RqaoaOptions
from qubo_backends._qaoa.variants import CircuitBackend
from qubo_backends._shared import ocean, sampling
from qubo_dnn.backend import Capabilities, SolveOptions

_MOST = 400


class RqaoaBackend(CircuitBackend):
    """Recursive QAOA with one layer.

    Args:
        variant: source of the correlations: "exact" (default), their closed form, or measured circuits, as in
            `qubo_backends.qaoa.QaoaBackend`; the angles always come from the closed form.
        sampler: a SamplerV2, in place of a variant.
        target: device for which circuits of `sampler` are transpiled (default: that of the sampler).

    Raises:
        OptionError: the variant is unknown, or is given together with a sampler.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = RqaoaBackend().sample(bqm, RqaoaOptions(seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "rqaoa"
    summary: ClassVar[str] = "recursive QAOA: spins tied together by the exact correlations of one layer"
    options_type: ClassVar[type[SolveOptions]] = RqaoaOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_variables=_MOST if self._variant.name == "exact" else self._variant.most,
            fills_time=False,
            seeded=self._variant.seeded,
            remote=self._variant.remote,
        )

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        After the time limit or Ctrl-C, the remaining spins are fixed one by one against their fields; the results of
        earlier circuits and runs are kept.

        Raises:
            UnsupportedProblemError: too many qubits for the simulator; the message states the memory they need.
            TimeLimitError: the first circuit alone would take longer than the time limit, or a service does.
            CancelledError: Ctrl-C came before a service's first answer.
            BackendFailedError: a service failed.
        """
        options = sampling.typed_options(self, options, RqaoaOptions)
        if self._variant.name != "exact":
            self._variant.check_qubits(bqm.num_variables)

        def drawn(job: ocean.SamplerJob) -> Any:
            # Import here, so that a problem can be refused without loading numba.
            from qubo_backends._qaoa.elimination import draw

            return draw(job, options, self._variant.primitive(job.bqm.num_variables, job.seed, options))

        return ocean.run(self, bqm, options, dimod.SPIN, drawn)
