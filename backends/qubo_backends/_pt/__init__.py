"""Parallel tempering, behind the backend `pt`: common ground here, the samplers in `spins` and `choices`."""
