"""The command line `qubo-dnn`, one module per command; nothing heavy is imported at start."""
