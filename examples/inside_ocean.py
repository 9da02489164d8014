"""For writers of Ocean code: our samplers wherever dimod takes one."""

import dimod
from dwave.preprocessing import FixVariablesComposite

from qubo_dnn.models.ocean_sampler import BackendSampler

bqm = dimod.generators.gnm_random_bqm(40, 120, "SPIN", random_state=1)
sampler = BackendSampler("pt")
print("lowest energy:", round(float(sampler.sample(bqm, seed=1, num_reads=5).first.energy), 6))

# Ocean's composites take it as any other.
fixed = FixVariablesComposite(sampler).sample(bqm, fixed_variables={0: 1}, seed=1)
print("with variable 0 fixed:", round(float(fixed.first.energy), 6))
print("by its QUBO:", round(float(sampler.sample_qubo(*bqm.to_qubo()[:1], seed=1).first.energy), 6))
