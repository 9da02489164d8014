"""A plan applied to a network: rewritten, repaired, compared with the original, stored."""
