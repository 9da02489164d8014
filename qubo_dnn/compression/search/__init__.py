"""The search for a plan: a model of the loss, solved, applied, compared, and built again around the best network."""
