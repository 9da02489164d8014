"""Sweeps beside single runs."""
