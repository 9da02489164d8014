"""Compression of neural networks: units, quantizers, sensitivity, plans, rewriting. Needs the extra `torch`."""
