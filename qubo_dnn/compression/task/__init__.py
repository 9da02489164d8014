"""The decisions of a compression plan and their costs: layers, units, options, budgets. Needs no torch."""
