"""QAOA: ours against qiskit-optimization's at equal evaluations, and our simulator against Aer's estimator."""
