"""The cases of `qubo_dnn.testing.formulations`, by what they check."""
