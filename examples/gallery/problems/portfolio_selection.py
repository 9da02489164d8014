"""
Portfolio selection
===================

Choose some of many assets, in equal shares, for a high return and a low risk. Here 5 of 20 assets are wanted, whose
returns follow a market and four industries.
"""

# %%
# The variable :math:`x_i` is 1 if asset :math:`i` is taken. The expected returns are :math:`m`, and their covariance is
# :math:`C`; :math:`q` says how much risk matters.
#
# .. math:: \max \frac{1}{k} \sum_i m_i x_i - \frac{q}{k^2} \sum_{i, j} C_{ij} x_i x_j, \quad \sum_i x_i = k
#
# The formulation is :doc:`portfolio-selection </reference/formulations/portfolio-selection>`.
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.portfolio_selection import PortfolioSelection

rng = np.random.default_rng(2)
industry = np.arange(20) % 4
factors = np.column_stack([rng.uniform(0.6, 1.4, 20), 0.8 * np.eye(4)[industry]]) * 0.15
covariance = factors @ factors.T + np.diag(rng.uniform(0.05, 0.2, 20) ** 2)
returns = 0.03 + 0.05 * factors[:, 0] / 0.15 + rng.normal(0.0, 0.015, 20)
aversions = (0.0, 0.5, 2.0, 8.0)
found = [qd.solve(PortfolioSelection(returns, covariance, 5, risk_aversion=q), seed=1).best for q in aversions]

# %%
# All 15,504 portfolios are few enough to list. None has a better objective, at any aversion to risk.
every = np.array(list(combinations(range(20), 5)))
gain = returns[every].mean(axis=1)
variance = covariance[every[:, :, None], every[:, None, :]].mean(axis=(1, 2))
for q, best in zip(aversions, found, strict=True):
    assert np.isclose(best.objective, (gain - q * variance).max())
    members = sorted(best.value)
    print(f"q = {q:g}: assets {members} of industries {industry[members].tolist()}")

# %%
# Every grey dot is a portfolio. The chosen ones lie on the upper left border: more return costs more risk.
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(100 * np.sqrt(variance), 100 * gain, ".", color="0.8", markersize=2, rasterized=True)
for q, best in zip(aversions, found, strict=True):
    own = (every == sorted(best.value)).all(axis=1)
    spot = 100 * np.sqrt(variance[own][0]), 100 * gain[own][0]
    axes.plot(*spot, "o", markersize=9, label=f"q = {q:g}")
axes.set_xlabel("risk: standard deviation in a year (%)")
axes.set_ylabel("expected return in a year (%)")
axes.set_title("The best five of 20 assets, at several aversions to risk q")
axes.legend(loc="lower right")
plt.show()
