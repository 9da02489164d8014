"""qubo-dnn: formulate once as a QUBO, sample with any backend, decode back into your own terms."""
