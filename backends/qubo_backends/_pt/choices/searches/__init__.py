"""Searches beside the sweeps, each of a structure that some models have: assignments, subsets, scarce things."""
