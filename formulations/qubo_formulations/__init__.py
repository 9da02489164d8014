"""The formulations that ship with qubo-dnn, one module each, reached by name through entry points."""
