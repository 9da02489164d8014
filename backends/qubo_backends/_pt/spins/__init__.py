"""Parallel tempering of Ising models: sparse ones, all replicas of a spin at a time, and dense ones."""
