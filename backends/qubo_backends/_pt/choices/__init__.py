"""Parallel tempering over choices: one option per site, within constraints that no move leaves."""
