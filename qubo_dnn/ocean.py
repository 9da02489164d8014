"""Any backend as a dimod sampler, for code written for Ocean."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dimod

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.pyqubo_models import broken_products
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
                "value of the expression; compile with a larger strength, or solve qubo_dnn.pyqubo_models."
                "problem_from_pyqubo(expression)",
                stacklevel=2,
            )
        return found
