"""Feature selection: features that tell much about a target and little about each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qubo_dnn.arguments import checked
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._arrays import Matrix, Vector, as_array
from qubo_formulations._models import from_arrays


class FeatureSelection:
    """k of n features with the greatest relevance less redundancy (mRMR).

    Variables: `x[i]` = 1 takes feature i; n of them, all coupled.
    Objective: `(1/k) sum of r[i] x[i] - (1/k^2) sum over i != j of R[i,j] x[i] x[j]`, maximised, in the unit of r and R
    (nats, where they are mutual informations).
    Constraints: "number", the sum of `x[i]` is k.

    Args:
        relevance: [n] r, how much each feature tells of the target.
        redundancy: [n, n] R, symmetric, how much features tell of each other; its diagonal does not count.
        features: k, from 1 to n.

    Raises:
        FormulationError: the arrays do not fit together or are not finite, R is not symmetric, or k is out of range.

    Source: Peng, Long & Ding 2005, "Feature selection based on mutual information: criteria of max-dependency,
    max-relevance, and min-redundancy".
    """

    name: ClassVar[str] = "feature-selection"
    summary: ClassVar[str] = "k features of great relevance and little redundancy"

    @checked
    def __init__(self, relevance: Vector, redundancy: Matrix, features: int) -> None:
        self.relevance = as_array(relevance, "relevance", (None,))
        n = len(self.relevance)
        self.redundancy = as_array(redundancy, "redundancy", (n, n))
        if not np.array_equal(self.redundancy, self.redundancy.T):
            raise FormulationError("redundancy is not symmetric")
        np.fill_diagonal(self.redundancy, 0.0)
        if not 1 <= features <= n:
            raise FormulationError(f"{features} features cannot be taken from {n}")
        self.features = features

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike, features: int, bins: int = 8) -> Self:
        """Relevance and redundancy as mutual informations of samples.

        Args:
            x: [samples, n] of features; each is cut at its quantiles into `bins` bins.
            y: [samples] of the target; cut as well where it has more than `bins` values.
            features: k.
            bins: 2 or more.

        Raises:
            FormulationError: the samples are not finite or do not fit together, or there are less than 2 bins.
        """
        if bins < 2:
            raise FormulationError(f"samples cannot be told apart by {bins} bins")
        samples = as_array(np.asarray(x), "x", (None, None))
        target = as_array(np.asarray(y), "y", (len(samples),))
        columns = [_binned(column, bins) for column in samples.T]
        relevance = np.array([mutual_information(column, _binned(target, bins)) for column in columns])
        redundancy = np.zeros((len(columns), len(columns)))
        for i, j in combinations(range(len(columns)), 2):
            redundancy[i, j] = redundancy[j, i] = mutual_information(columns[i], columns[j])
        return cls(relevance, redundancy, features)

    @classmethod
    def example(cls, seed: int) -> Self:
        """3 of 8 features, measured on 40 samples."""
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(40, 4))
        return cls.from_samples(hidden @ rng.normal(size=(4, 8)), hidden[:, 0] > 0.0, 3, bins=3)

    def compile(self) -> Problem[frozenset[int]]:
        """The problem, from arrays: n (n - 1) / 2 interactions."""
        k, labels = self.features, [f"x[{i}]" for i in range(len(self.relevance))]
        rows, columns = np.triu_indices(len(labels), 1)
        objective = from_arrays(labels, -self.relevance / k, rows, columns, 2.0 * self.redundancy[rows, columns] / k**2)
        number = Constraint(from_arrays(labels, np.ones(len(labels))), "==", float(k))
        return Problem(objective=objective, decoder=self.decode, constraints={"number": number}, sense="max")

    def decode(self, sample: Sample) -> frozenset[int]:
        """The features taken."""
        return frozenset(i for i in range(len(self.relevance)) if sample[f"x[{i}]"])

    def cost(self, value: frozenset[int]) -> float:
        """Mean relevance less mean redundancy of the features of `value`."""
        chosen = sorted(value)
        redundancy = self.redundancy[np.ix_(chosen, chosen)].sum() / self.features**2
        return float(self.relevance[chosen].sum() / self.features - redundancy)

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Whether `value` is k features."""
        return len(value) == self.features and value <= set(range(len(self.relevance)))

    def answers(self) -> Iterator[frozenset[int]]:
        """All choices of k features."""
        return map(frozenset, combinations(range(len(self.relevance)), self.features))


def mutual_information(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    """In nats, of two discrete variables, each [samples] from 0, by their joint frequencies."""
    joint = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(joint, (one, other), 1.0 / len(one))
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0.0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def _binned(values: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """[samples] number of the bin of every value: its own where there are few values, else by quantiles."""
    different, position = np.unique(values, return_inverse=True)
    if len(different) <= bins:
        return np.asarray(position, np.intp)
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="right")
