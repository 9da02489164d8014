"""Kernels of `qubo_dnn.presolve.elimination`."""
