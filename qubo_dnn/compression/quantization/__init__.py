"""Weights at every option: grids, rounding, error compensation, bit packing."""
