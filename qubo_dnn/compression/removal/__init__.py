"""Remove pruned channels from a network, so that it gets smaller and faster."""
