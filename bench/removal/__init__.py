"""Removal of channels alone: ways of choosing them, with the same reconstruction."""
