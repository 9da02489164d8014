"""What formulations share: graphs, sets, weights and assignments."""
