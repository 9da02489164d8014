"""
Inside Ocean
============

For those who write programs with D-Wave's Ocean: every backend is a sampler of dimod, and models of dimod are taken as
they are.
"""

# %%
# A sampler
# ---------
#
# ``BackendSampler`` is a ``dimod.Sampler`` with any backend. A program changes in one line.
import dimod
from dwave.preprocessing import FixVariablesComposite

import qubo_dnn as qd

bqm = dimod.generators.gnm_random_bqm(40, 120, "SPIN", random_state=1)
sampler = qd.BackendSampler("pt")
found = sampler.sample(bqm, seed=1, num_reads=5)
print(f"lowest energy: {found.first.energy:.6f}")

# %%
# Ocean's composites take it as any other. ``sample_qubo`` and ``sample_ising`` are there as well.
fixed = FixVariablesComposite(sampler).sample(bqm, fixed_variables={0: 1}, seed=1)
print(f"with variable 0 fixed: {fixed.first.energy:.6f}")

qubo, offset = bqm.to_qubo()
by_qubo = sampler.sample_qubo(qubo, seed=1)
print(f"by its QUBO: {by_qubo.first.energy + offset:.6f}")
assert abs(by_qubo.first.energy + offset - found.first.energy) < 1e-6

# %%
# A model with constraints
# ------------------------
#
# A knapsack as a ``ConstrainedQuadraticModel``: what each item is worth, and its weight in kilograms. What the backend
# cannot keep by itself becomes a penalty or a multiplier, which is adapted until the answers are feasible.
items = {
    **{"tent": (35, 12), "stove": (86, 27), "lamp": (30, 11), "rope": (50, 17)},
    **{"food": (70, 20), "map": (80, 10), "coat": (55, 15)},
}
taken = {name: dimod.Binary(name) for name in items}
knapsack = dimod.ConstrainedQuadraticModel()
knapsack.set_objective(-sum(value * taken[name] for name, (value, _) in items.items()))
knapsack.add_constraint(sum(weight * taken[name] for name, (_, weight) in items.items()) <= 70, label="capacity")
packed = qd.solve(knapsack, backend="pt", seed=1)
print(f"worth {-packed.best.objective:g}, feasible: {packed.best.feasible}")

# %%
# ``native`` answers as the library of the model does: here with a sample set that says of each sample whether it is
# feasible.
best = packed.native().first
print([name for name, value in best.sample.items() if value], bool(best.is_feasible))

# %%
# Other backends find the same.
for backend in ("neal", "tabu", "exact"):
    objective = qd.solve(knapsack, backend=backend, seed=1, num_reads=100).best.objective
    print(f"{backend}: {-objective:g}")
    assert objective == packed.best.objective

# %%
# The page :doc:`/how-to/ocean` lists what differs from Ocean's own samplers.
