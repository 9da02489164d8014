"""Feature selection as a transformer of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qubo_dnn.adapters.answering import answer
from qubo_dnn.backend import Backend
from qubo_dnn.conversion import to_problem
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.registry import get_formulation
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.feature_selection import SelectorMixin
else:
    BaseEstimator = require("sklearn.base", "sklearn").BaseEstimator
    SelectorMixin = require("sklearn.feature_selection", "sklearn").SelectorMixin


class QuboFeatureSelector(SelectorMixin, BaseEstimator):
    """Selects k features of maximum relevance to the target and minimum redundancy (mRMR) with any backend.

    Relevance and redundancy are mutual informations, see the formulation `feature-selection`.

    Args:
        n_features_to_select: k; a number below 1.0 is a share of the features, None half of them.
        bins: features and targets with more values are split at their quantiles into this many bins.
        backend: a backend or its name.
        random_state: seed of the backend.
        options: further options of the backend, such as `time_limit`, and those of `qubo_dnn.adapters.answering`.

    Attributes:
        support_: [features] mask of the selected features.
        objective_: mean relevance minus mean redundancy of the selected features, in nats.
        n_features_in_: number of features seen in `fit`.
        feature_names_in_: [features] their names, if the data have names.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(2, size=200)
        >>> x = np.column_stack([y, y, rng.integers(2, size=200), y ^ (rng.random(200) < 0.2)])
        >>> QuboFeatureSelector(1, random_state=1).fit(x, y).get_support(indices=True).tolist() in ([0], [1])
        True
    """

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        bins: int = 8,
        backend: Backend | str = "pt",
        random_state: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.bins = bins
        self.backend = backend
        self.random_state = random_state
        self.options = options

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Select the features.

        Args:
            X: [samples, features] numbers.
            y: [samples] target, numbers or classes of any type.

        Raises:
            ValueError: scikit-learn refuses the data.
            FormulationError: the number of features or of bins is out of range.
            QuboDnnError: see `qubo_dnn.solving.solve.solve`.
        """
        from sklearn.utils.validation import validate_data

        x, target = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        if target.dtype.kind not in "biuf":
            target = np.unique(target, return_inverse=True)[1]
        make: Any = get_formulation("feature-selection")
        problem = to_problem(make.from_samples(x, target, self._count(x.shape[1]), self.bins))
        seed = {} if self.random_state is None else {"seed": self.random_state}
        solution = answer(problem, self.backend, {**seed, **(self.options or {})})
        if not solution.best.feasible:
            raise BackendFailedError(f"backend {solution.backend!r} found no set of that many features")
        self.support_ = np.isin(np.arange(x.shape[1]), sorted(solution.best.value))
        self.objective_ = solution.best.objective
        return self

    def _count(self, features: int) -> int:
        """Return the number of features to select."""
        asked = self.n_features_to_select
        if asked is None:
            return max(features // 2, 1)
        return max(int(asked * features), 1) if 0.0 < asked < 1.0 else int(asked)

    def _get_support_mask(self) -> NDArray[np.bool_]:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
