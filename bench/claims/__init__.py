"""The claim of arXiv 2505.16332, measured: annealing against genetic algorithms and reinforcement learning."""
