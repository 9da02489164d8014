"""Backends as dimod samplers, for code written for D-Wave's Ocean."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import dimod

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.constraints.exact_products import broken_products
from qubo_dnn.errors import ArgumentError
from qubo_dnn.registry import get_backend


class BackendSampler(dimod.Sampler):  # type: ignore[misc]  # dimod has no types
    """A `dimod.Sampler` that draws its samples with a backend.

    It replaces any Ocean sampler: `sample`, `sample_ising` and `sample_qubo` take the options of the backend.

    Args:
        backend: a backend or its name, see `qubo-dnn backends list`.

    Raises:
        UnknownBackendError: no backend of that name is installed.

    Example:
        >>> sampler = BackendSampler("steepest-descent")
        >>> found = sampler.sample_ising({"a": 0.5}, {("a", "b"): 1.0}, num_reads=5, seed=1)
        >>> {variable: int(value) for variable, value in found.first.sample.items()}
        {'a': -1, 'b': 1}
    """

    @checked
    def __init__(self, backend: Backend | str) -> None:
        self.backend = get_backend(backend) if isinstance(backend, str) else backend

    @property
    def parameters(self) -> Mapping[str, list[str]]:
        """Options of `sample`; `qubo-dnn backends show NAME` describes them."""
        return {name: [] for name in self.backend.options_type.model_fields}

    @property
    def properties(self) -> Mapping[str, Any]:
        """Name and summary of the backend."""
        return {"backend": self.backend.name, "summary": self.backend.summary}

    @checked
    def sample(self, bqm: dimod.BinaryQuadraticModel, **options: Any) -> dimod.SampleSet:
        """Draw samples, and warn if the best one breaks products of a model compiled by pyqubo.

        Args:
            bqm: model of either vartype; it is not changed.
            **options: options of the backend; unknown ones are errors, not warnings.

        Raises:
            OptionError: an option is unknown, out of range or not supported.
            UnsupportedProblemError: the model exceeds the backend's limits.
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
            J: pair of variables -> coupling.
            **options: see `sample`.

        Raises:
            ArgumentError: `h` or `J` is malformed. For other errors see `sample`.
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
            Q: pair of variables -> coefficient; a pair of equal variables has the linear one.
            **options: see `sample`.

        Raises:
            ArgumentError: `Q` is malformed. For other errors see `sample`.
        """
        try:
            bqm = dimod.BinaryQuadraticModel.from_qubo(Q)
        except (AttributeError, TypeError, ValueError) as cause:
            raise ArgumentError(f"a QUBO is {{(variable, variable): coefficient}}: {cause}") from cause
        return self.sample(bqm, **options)
