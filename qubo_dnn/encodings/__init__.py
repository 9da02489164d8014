"""Integers, inequalities and products of several variables as binary quadratic terms: one encoding per module."""
