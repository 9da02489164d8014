"""Budgets of multiply-accumulates: backends beside the exact optimum by counts of channels."""
