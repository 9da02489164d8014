"""`pt` and the samplers one can install beside it, on the same instances for the same CPU time."""
