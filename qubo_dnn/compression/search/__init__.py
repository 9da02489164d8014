"""The search for a plan: model the loss, solve, apply, compare, and repeat around the best network."""
