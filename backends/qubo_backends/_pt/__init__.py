"""Parallel tempering of Ising models, behind the backend `pt`."""
