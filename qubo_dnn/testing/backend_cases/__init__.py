"""The cases of `qubo_dnn.testing.backends`, by what they check."""
