"""Feature selection: features that are relevant to a target and not redundant with each other."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, Vector, as_array
from qubo_formulations._shared.item_sets import FixedSizeSet
from qubo_formulations._shared.models import from_arrays


class FeatureSelection(FixedSizeSet):
    """Choose k of n features by maximum relevance minus redundancy (mRMR).

    Variables: `x[i]` = 1 takes feature i; n of them, all coupled.
    Objective: `(1/k) sum of r[i] x[i] - (1/k^2) sum over i != j of R[i,j] x[i] x[j]`, maximised, in the unit of r and R
    (nats, if they are mutual informations).
    Constraints: "number", the sum of `x[i]` is k.

    Args:
        relevance: [n] r, the relevance of each feature to the target, such as their mutual information.
        redundancy: [n, n] R, symmetric, the redundancy of each pair of features; the diagonal is ignored.
        features: k, from 1 to n.

    Raises:
        FormulationError: the arrays do not fit together or are not finite, R is not symmetric, or k is out of range.

    Source: Peng, Long & Ding 2005, "Feature selection based on mutual information: criteria of max-dependency,
    max-relevance, and min-redundancy".

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> selection = FeatureSelection([0.9, 0.8, 0.5], [[0, 0.8, 0.1], [0.8, 0, 0.1], [0.1, 0.1, 0]], features=2)
        >>> sorted(solve(selection.compile(), get_backend("exact")).best.value)
        [0, 2]
    """

    name: ClassVar[str] = "feature-selection"
    summary: ClassVar[str] = "k features of high relevance and low redundancy"

    @checked
    def __init__(self, relevance: Vector, redundancy: Matrix, features: int) -> None:
        self.relevance = as_array(relevance, "relevance", (None,))
        n = len(self.relevance)
        self.redundancy = as_array(redundancy, "redundancy", (n, n))
        if not np.array_equal(self.redundancy, self.redundancy.T):
            raise FormulationError("redundancy is not symmetric")
        np.fill_diagonal(self.redundancy, 0.0)
        super().__init__(n, features, "features")

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike, features: int, bins: int = 8) -> Self:
        """Estimate relevance and redundancy as mutual informations from samples.

        Args:
            x: [samples, n] features; a feature with more than `bins` values is split at its quantiles into `bins` bins.
            y: [samples] target; split in the same way.
            features: k, the number of features to choose.
            bins: number of bins, 2 or more.

        Raises:
            FormulationError: the samples are not finite, `x` and `y` differ in length, or `bins` is below 2.
        """
        if bins < 2:
            raise FormulationError(f"at least 2 bins are needed, not {bins}")
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
        """3 of 8 features, from 40 samples."""
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(40, 4))
        return cls.from_samples(hidden @ rng.normal(size=(4, 8)), hidden[:, 0] > 0.0, 3, bins=3)

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem; it has n (n - 1) / 2 interactions and is built from arrays."""
        k, labels = self.size, self.labels
        rows, columns = np.triu_indices(len(labels), 1)
        objective = from_arrays(labels, -self.relevance / k, rows, columns, 2.0 * self.redundancy[rows, columns] / k**2)
        return Problem(objective=objective, decoder=self.decode, constraints=self.number, sense="max")

    def cost(self, value: frozenset[int]) -> float:
        """Return the mean relevance minus the mean redundancy of the features of `value`."""
        chosen = sorted(value)
        redundancy = self.redundancy[np.ix_(chosen, chosen)].sum() / self.size**2
        return float(self.relevance[chosen].sum() / self.size - redundancy)


def mutual_information(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    """Return the mutual information of two discrete variables in nats, from their joint frequencies.

    Args:
        one: [samples] values of the first variable, integers from 0.
        other: [samples] values of the second variable, integers from 0.

    Example:
        >>> x = np.array([0, 0, 1, 1])
        >>> round(mutual_information(x, x), 3), round(mutual_information(x, np.array([0, 1, 0, 1])), 3)
        (0.693, 0.0)
    """
    joint = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(joint, (one, other), 1.0 / len(one))
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0.0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def _binned(values: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Return [samples] bin numbers: one bin per value if there are few values, else bins between quantiles."""
    different, position = np.unique(values, return_inverse=True)
    if len(different) <= bins:
        return np.asarray(position, np.intp)
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="right")
