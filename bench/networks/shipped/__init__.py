"""Trained networks that ship in packages of PyPI, each with inputs and the metric of its task."""
