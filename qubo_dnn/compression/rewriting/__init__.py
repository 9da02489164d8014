"""Apply a plan to a network, repair the result, compare it with the original, and store it."""
