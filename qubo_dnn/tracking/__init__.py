"""Callbacks that receive the parameters, metrics and results of runs. Needs no other package."""
