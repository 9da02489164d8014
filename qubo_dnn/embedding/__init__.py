"""Minor embedding: the graph of a problem in the graph of a quantum annealer, and the costs of the embedding."""
