"""All methods at all budgets, their rows and their table."""
