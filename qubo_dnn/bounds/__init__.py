"""Proven lower bounds of a problem's optimum, and the certificate that they make of an answer."""
