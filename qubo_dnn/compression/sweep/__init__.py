"""One measurement, many budgets: the curve of what a network costs and loses. Records need no torch."""
