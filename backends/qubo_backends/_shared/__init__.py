"""What backends share: checks, annealing samplers, embedding, services."""
