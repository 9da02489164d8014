"""Proven lower bounds on the optimum of a problem, and certificates for answers."""
