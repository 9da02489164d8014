"""Conformance kits: what every backend and every formulation has to satisfy, for anyone to run on theirs."""
