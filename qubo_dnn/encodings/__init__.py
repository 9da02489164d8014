"""Encodings of integers, inequalities and products of several variables as binary quadratic terms."""
