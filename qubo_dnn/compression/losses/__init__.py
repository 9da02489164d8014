"""Losses with their Gauss-Newton factors, and metrics of the user."""
