"""What a plan decides and what it may cost: layers, units, options, budgets. Needs no torch."""
