"""Conformance kits for backends and formulations, including those of other packages."""
