"""Solving a problem with a backend, without one, or with several to compare."""
