"""Portfolio selection: k assets of high return and low risk."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, Vector, as_array
from qubo_formulations._shared.graphs import finite
from qubo_formulations._shared.item_sets import FixedSizeSet
from qubo_formulations._shared.models import from_arrays


class PortfolioSelection(FixedSizeSet):
    """Choose k of n assets, in equal shares, by expected return minus weighted risk.

    Variables: `x[i]` = 1 takes asset i; n of them, all coupled.
    Objective: `(1/k) sum of m[i] x[i] - (q/k^2) sum of C[i,j] x[i] x[j]`, maximised: the portfolio's expected return
    minus q times its variance.
    Constraints: "number", the sum of `x[i]` is k.

    Args:
        returns: [n] m, the expected return of every asset.
        covariance: [n, n] C, the covariance of the returns, symmetric.
        assets: k, the number of assets to choose, from 1 to n.
        risk_aversion: q >= 0, in units of return per unit of variance.

    Raises:
        FormulationError: the arrays do not fit together or are not finite, C is not symmetric, k is out of range, or
            q is negative.

    Source: Markowitz 1952, "Portfolio selection"; Chang, Meade, Beasley & Sharaiha 2000 (cardinality constraint).

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> portfolio = PortfolioSelection([0.1, 0.1, 0.05], [[0.1, 0.1, 0], [0.1, 0.2, 0], [0, 0, 0.1]], assets=2)
        >>> sorted(solve(portfolio.compile(), get_backend("exact")).best.value)
        [0, 2]
    """

    name: ClassVar[str] = "portfolio-selection"
    summary: ClassVar[str] = "k assets of high return and low risk"

    @checked
    def __init__(self, returns: Vector, covariance: Matrix, assets: int, risk_aversion: float = 1.0) -> None:
        self.returns = as_array(returns, "returns", (None,))
        n = len(self.returns)
        self.covariance = as_array(covariance, "covariance", (n, n))
        if not np.array_equal(self.covariance, self.covariance.T):
            raise FormulationError("covariance is not symmetric")
        super().__init__(n, assets, "assets")
        self.risk_aversion = finite(risk_aversion, "the risk aversion")
        if self.risk_aversion < 0.0:
            raise FormulationError(f"the risk aversion is {self.risk_aversion:g}, less than 0")

    @classmethod
    def example(cls, seed: int) -> Self:
        """3 of 8 assets that follow 3 factors."""
        rng = np.random.default_rng(seed)
        factors = rng.normal(size=(8, 3))
        return cls(rng.normal(0.05, 0.05, 8), 0.01 * (factors @ factors.T + np.eye(8)), 3, 2.0)

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem; it has n (n - 1) / 2 interactions and is built from arrays."""
        k, labels = self.size, self.labels
        risk = self.risk_aversion * self.covariance / k**2
        rows, columns = np.triu_indices(len(labels), 1)
        objective = from_arrays(labels, np.diag(risk) - self.returns / k, rows, columns, 2.0 * risk[rows, columns])
        return Problem(objective=objective, decoder=self.decode, constraints=self.number, sense="max")

    def cost(self, value: frozenset[int]) -> float:
        """Return the expected return minus risk aversion times variance, in equal shares of 1/k."""
        shares = np.zeros(len(self.returns))
        shares[list(value)] = 1.0 / self.size
        return float(self.returns @ shares - self.risk_aversion * shares @ self.covariance @ shares)
