"""Backends as dimod samplers, for code written for D-Wave's Ocean."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dimod
from dimod.exceptions import SamplerUnknownArgWarning

from qubo_dnn.backend import Backend, SolveOptions
from qubo_dnn.constraints.exact_products import broken_products
from qubo_dnn.errors import ArgumentError, suggestion
from qubo_dnn.models.dimod_models import problem_from_cqm
from qubo_dnn.models.more_dimod_models import problem_from_dqm
from qubo_dnn.models.ocean_options import choices, honoured, ocean_options, property_of
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.arguments import check, checked


class BackendSampler(dimod.Sampler):  # type: ignore[misc]  # dimod has no types
    """A `dimod.Sampler` that draws its samples with a backend.

    It replaces any Ocean sampler, also Leap's samplers of constrained and discrete models: the sampling methods take
    the options of the backend, which are those of the sampler that it wraps, and `label`.

    Args:
        backend: a backend or its name, see `qubo-dnn backends list`.
        strict: True: unknown options are errors. Otherwise they are ignored with a `SamplerUnknownArgWarning`, as by
            dimod's samplers.

    Raises:
        UnknownBackendError: no backend of that name is installed.

    Example:
        >>> sampler = BackendSampler("steepest-descent")
        >>> found = sampler.sample_ising({"a": 0.5}, {("a", "b"): 1.0}, num_reads=5, seed=1, label="two spins")
        >>> {variable: int(value) for variable, value in found.first.sample.items()}
        {'a': -1, 'b': 1}
        >>> found.info["problem_label"]
        'two spins'
    """

    @checked
    def __init__(self, backend: Backend | str, *, strict: bool = False) -> None:
        self.backend = get_backend(backend) if isinstance(backend, str) else backend
        self.strict = strict

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Options of the sampling methods, each with the names of the properties that list its values.

        `qubo-dnn backends show NAME` describes them. An option that the backend cannot honour is missing.

        Example:
            >>> BackendSampler("neal").parameters["beta_schedule_type"]
            ['beta_schedule_options']
        """
        listed = choices(self.backend.options_type)
        found = {name: [property_of(name)] if name in listed else [] for name in honoured(self.backend)}
        return {"label": [], **found}

    @property
    def properties(self) -> dict[str, Any]:
        """Name and summary of the backend, and the values of the options that have only a few.

        Example:
            >>> BackendSampler("neal").properties["beta_schedule_options"]
            ('geometric', 'linear', 'custom')
        """
        own = {"backend": self.backend.name, "summary": self.backend.summary}
        return own | {property_of(name): values for name, values in choices(self.backend.options_type).items()}

    def sample(self, bqm: dimod.BinaryQuadraticModel, *, label: str | None = None, **kwargs: Any) -> dimod.SampleSet:
        """Draw samples, and warn if the best one breaks products of a model compiled by pyqubo.

        Args:
            bqm: model of either vartype; it is not changed.
            label: name of the problem, kept in `info["problem_label"]` and shown by services.
            **kwargs: options of the backend.

        Returns:
            Samples over the variables and the vartype of `bqm`.

        Raises:
            ArgumentError: `bqm` is no model, or an option that must be an integer is none.
            OptionError: an option is out of range or not supported, or unknown to a strict sampler.
            UnsupportedProblemError: the model exceeds the backend's limits.
        """
        check(bqm, dimod.BinaryQuadraticModel, f"{type(self).__name__}.sample: bqm")
        found = self.backend.sample(bqm, self._options(label, kwargs))
        broken = broken_products(bqm, found.first.sample) if len(found) else []
        if broken:
            warnings.warn(
                f"the best sample breaks {len(broken)} of pyqubo's products, such as {broken[0]!r}: its energy is no "
                "value of the expression; compile with a larger strength, or solve qubo_dnn.models.pyqubo_models."
                "problem_from_pyqubo(expression)",
                stacklevel=2,
            )
        return _labelled(found, label)

    def sample_ising(
        self,
        h: Mapping[Any, float] | Sequence[float],
        J: Mapping[Any, float],  # noqa: N803  # Ocean's name
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """Draw samples of an Ising model.

        Args:
            h: linear biases, by variable or in the order 0, 1, ...
            J: pair of variables -> coupling.
            **kwargs: see `sample`.

        Raises:
            ArgumentError: `h` or `J` is malformed. For other errors see `sample`.
        """
        try:
            bqm = dimod.BinaryQuadraticModel.from_ising(h, J)
        except (AttributeError, TypeError, ValueError) as cause:
            raise ArgumentError(
                f"an Ising model is {{variable: bias}} and {{(variable, variable): coupling}}: {cause}"
            ) from cause
        return self.sample(bqm, **kwargs)

    def sample_qubo(
        self,
        Q: Mapping[Any, float],  # noqa: N803  # Ocean's name
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """Draw samples of a QUBO.

        Args:
            Q: pair of variables -> coefficient; a pair of equal variables has the linear one.
            **kwargs: see `sample`.

        Raises:
            ArgumentError: `Q` is malformed. For other errors see `sample`.
        """
        try:
            bqm = dimod.BinaryQuadraticModel.from_qubo(Q)
        except (AttributeError, TypeError, ValueError) as cause:
            raise ArgumentError(f"a QUBO is {{(variable, variable): coefficient}}: {cause}") from cause
        return self.sample(bqm, **kwargs)

    def sample_cqm(
        self,
        cqm: dimod.ConstrainedQuadraticModel,
        *,
        label: str | None = None,
        num_solutions: int = 10,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """Solve a constrained model, in place of Leap's `LeapHybridCQMSampler`.

        Args:
            cqm: model to minimise; it is not changed. See `qubo_dnn.models.dimod_models.problem_from_cqm`.
            label: see `sample`.
            num_solutions: largest number of rows.
            **kwargs: options of the backend.

        Returns:
            The best different feasible states found, or one infeasible state if there are none, with `is_feasible` and
            `is_satisfied`, as Leap's.

        Raises:
            UnsupportedProblemError: a variable is continuous, or the model exceeds the backend's limits.
            QuboDnnError: see `sample` and `qubo_dnn.solving.solve.solve`.

        Example:
            >>> i = dimod.Integer("i", upper_bound=4)
            >>> cqm = dimod.ConstrainedQuadraticModel()
            >>> label = cqm.add_constraint(3 * i <= 10)
            >>> cqm.set_objective(-i)
            >>> best = BackendSampler("exact").sample_cqm(cqm).filter(lambda row: row.is_feasible).first
            >>> float(best.sample["i"]), float(best.energy)
            (3.0, -3.0)
        """
        check(cqm, dimod.ConstrainedQuadraticModel, f"{type(self).__name__}.sample_cqm: cqm")
        solution = self._solve(problem_from_cqm(cqm), label, num_solutions, kwargs)
        return _labelled(_with_record(solution.native(), solution), label)

    def sample_dqm(
        self,
        dqm: dimod.DiscreteQuadraticModel,
        *,
        label: str | None = None,
        num_solutions: int = 10,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """Solve a discrete model, in place of Leap's `LeapHybridDQMSampler`.

        Args:
            dqm: model to minimise; it is not changed. Its cases become one-hot groups.
            label: see `sample`.
            num_solutions: largest number of rows.
            **kwargs: options of the backend.

        Returns:
            The best different states found: the case of every variable; no row if no state found chooses one case per
            variable.

        Raises:
            QuboDnnError: see `sample_cqm`.

        Example:
            >>> dqm = dimod.DiscreteQuadraticModel()
            >>> colours = [dqm.add_variable(3, label=node) for node in "ab"]
            >>> dqm.set_quadratic("a", "b", {(0, 0): 1.0, (1, 1): 1.0, (2, 2): 1.0})
            >>> best = BackendSampler("exact").sample_dqm(dqm).first
            >>> bool(best.sample["a"] != best.sample["b"]), float(best.energy)
            (True, 0.0)
        """
        check(dqm, dimod.DiscreteQuadraticModel, f"{type(self).__name__}.sample_dqm: dqm")
        solution = self._solve(problem_from_dqm(dqm), label, num_solutions, kwargs)
        feasible = tuple(each for each in solution.candidates if each.feasible)
        return _labelled(_with_record(replace(solution, candidates=feasible).native(), solution), label)

    def _solve(
        self, problem: Problem[Any], label: str | None, num_solutions: int, kwargs: Mapping[str, Any]
    ) -> Solution[Any]:
        options = self._options(label, kwargs).model_dump(exclude_unset=True)
        return solve(problem, self.backend, options, num_solutions=num_solutions)

    def _options(self, label: str | None, kwargs: Mapping[str, Any]) -> SolveOptions:
        """Return the options that a sampling method was called with; warn of unknown ones, unless they are errors."""
        known = self.parameters
        unknown = [] if self.strict else [name for name in kwargs if name not in known]
        for name in unknown:
            # Level 3 is the line that called `sample`.
            text = f"Ignoring unknown kwarg: {name!r}{suggestion(name, known)}"
            warnings.warn(text, SamplerUnknownArgWarning, stacklevel=3)
        given = {name: value for name, value in kwargs.items() if name not in unknown}
        if label is not None and "label" in self.backend.options_type.model_fields:
            given["label"] = label
        return ocean_options(self.backend, given)


def _with_record(found: dimod.SampleSet, solution: Solution[Any]) -> dimod.SampleSet:
    names = ("backend", "seed", "interrupted", "seconds")
    found.info.update({name: getattr(solution, name) for name in names}, calls=len(solution.calls))
    return found


def _labelled(found: dimod.SampleSet, label: str | None) -> dimod.SampleSet:
    if label is not None:
        found.info["problem_label"] = label
    return found
