"""Parallel tempering: engines for problems of different structure, behind one protocol."""
