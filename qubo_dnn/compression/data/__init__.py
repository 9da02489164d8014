"""Calibration and test data: the inputs of a network, and where their samples come from."""
