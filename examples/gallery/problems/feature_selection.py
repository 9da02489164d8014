"""
Feature selection
=================

Choose a few features that say much about a target and little about each other. Here the features are 30 measurements
of cell nuclei, and the target is whether a tumour is malignant.
"""

# %%
# The variable :math:`x_i` is 1 if feature :math:`i` is taken; :math:`r_i` is its mutual information with the target,
# :math:`R_{ij}` that of two features, and :math:`k` features are wanted.
#
# .. math:: \max \frac{1}{k} \sum_i r_i x_i - \frac{1}{k^2} \sum_{i \ne j} R_{ij} x_i x_j, \quad \sum_i x_i = k
#
# The formulation is :doc:`feature-selection </reference/formulations/feature-selection>`.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import qubo_dnn as qd
from qubo_formulations.feature_selection import FeatureSelection

data = load_breast_cancer()
selection = FeatureSelection.from_samples(data.data, data.target, features=5)
solution = qd.solve(selection, seed=1)
chosen = sorted(solution.best.value)
print("chosen:", ", ".join(data.feature_names[chosen]))

# %%
# Compare it with the five features of the highest relevance, which repeat each other. None of 20,000 random choices is
# better.
most_relevant = sorted(np.argsort(-selection.relevance)[:5].tolist())
for name, features in (("chosen", chosen), ("most relevant", most_relevant)):
    print(f"{name}: relevance minus redundancy {selection.cost(frozenset(features)):.3f}")
rng = np.random.default_rng(1)
others = (selection.cost(frozenset(rng.choice(30, 5, replace=False).tolist())) for _ in range(20_000))
assert solution.best.objective >= max(selection.cost(frozenset(most_relevant)), *others)

# %%
# How much each pair of the two choices has in common: what is dark is redundant.
figure, several = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for axes, (name, features) in zip(several, (("most relevant", most_relevant), ("chosen", chosen)), strict=True):
    common = selection.redundancy[np.ix_(features, features)]
    image = axes.imshow(common, cmap="Blues", vmin=0, vmax=selection.redundancy.max())
    for i, j in np.ndindex(common.shape):
        if i != j:
            color = "white" if common[i, j] > 0.9 else "black"
            axes.text(j, i, f"{common[i, j]:.2f}", ha="center", va="center", color=color)
    labels = [data.feature_names[feature] for feature in features]
    axes.set_xticks(range(5), labels, rotation=35, ha="right")
    axes.set_yticks(range(5), labels)
    axes.set_title(f"{name}: mean relevance {selection.relevance[features].mean():.2f}")
figure.colorbar(image, ax=several, label="mutual information of two features (nats)", shrink=0.8)
plt.show()
