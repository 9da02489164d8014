"""Solve a problem with a backend or without one, or compare several backends."""
