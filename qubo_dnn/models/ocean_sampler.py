"""Any backend as a dimod sampler, for code written for Ocean."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import dimod

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.errors import ArgumentError
from qubo_dnn.models.pyqubo_models import broken_products
from qubo_dnn.registry import get_backend


class BackendSampler(dimod.Sampler):  # type: ignore[misc]  # dimod has no types
    """A `dimod.Sampler` whose samples a backend draws.

    `BackendSampler("pt").sample(bqm, num_reads=5, seed=1)` works where any Ocean sampler does, and so do `sample_ising`
    and `sample_qubo`.

    Args:
        backend: or the name of one, see `qubo-dnn backends list`.

    Raises:
        UnknownBackendError: there is no backend of that name.
    """

    @checked
    def __init__(self, backend: Backend | str) -> None:
        self.backend = get_backend(backend) if isinstance(backend, str) else backend

    @property
    def parameters(self) -> Mapping[str, list[str]]:
        """Options that `sample` takes; see `qubo-dnn backends show NAME` for what they mean."""
        return {name: [] for name in self.backend.options_type.model_fields}

    @property
    def properties(self) -> Mapping[str, Any]:
        """The backend's name and what it is."""
        return {"backend": self.backend.name, "summary": self.backend.summary}

    @checked
    def sample(self, bqm: dimod.BinaryQuadraticModel, **options: Any) -> dimod.SampleSet:
        """Draw samples; a warning says where the best one breaks products of a model that pyqubo has compiled.

        Args:
            bqm: of either vartype; not changed.
            **options: of the backend; unknown ones are errors, not warnings.

        Raises:
            OptionError: an option is unknown, out of range or not supported.
            UnsupportedProblemError: the model is beyond the backend's limits.
        """
        found = self.backend.sample(bqm, make_options(self.backend, options))
        broken = broken_products(bqm, found.first.sample) if len(found) else []
        if broken:
            warnings.warn(
                f"the best sample breaks {len(broken)} of pyqubo's products, such as {broken[0]!r}: its energy is no "
                "value of the expression; compile with a larger strength, or solve qubo_dnn.models.pyqubo_models."
                "problem_from_pyqubo(expression)",
                stacklevel=2,
            )
        return found

    def sample_ising(
        self,
        h: Mapping[Hashable, float] | Sequence[float],
        J: Mapping[tuple[Hashable, Hashable], float],  # noqa: N803  # Ocean's name
        **options: Any,
    ) -> dimod.SampleSet:
        """Draw samples of an Ising model.

        Args:
            h: linear biases, by variable or in the order 0, 1, ...
            J: couplings by pairs of variables.
            **options: see `sample`.

        Raises:
            ArgumentError: these are no biases; otherwise see `sample`.
        """
        try:
            bqm = dimod.BinaryQuadraticModel.from_ising(h, J)
        except (AttributeError, TypeError, ValueError) as cause:
            raise ArgumentError(
                f"an Ising model is {{variable: bias}} and {{(variable, variable): coupling}}: {cause}"
            ) from cause
        return self.sample(bqm, **options)

    def sample_qubo(
        self,
        Q: Mapping[tuple[Hashable, Hashable], float],  # noqa: N803  # Ocean's name
        **options: Any,
    ) -> dimod.SampleSet:
        """Draw samples of a QUBO.

        Args:
            Q: coefficients by pairs of variables, linear ones by pairs of the same.
            **options: see `sample`.

        Raises:
            ArgumentError: these are no coefficients; otherwise see `sample`.
        """
        try:
            bqm = dimod.BinaryQuadraticModel.from_qubo(Q)
        except (AttributeError, TypeError, ValueError) as cause:
            raise ArgumentError(f"a QUBO is {{(variable, variable): coefficient}}: {cause}") from cause
        return self.sample(bqm, **options)
