"""Minor embedding: a problem's graph in the graph of a quantum annealer, and what that costs."""
