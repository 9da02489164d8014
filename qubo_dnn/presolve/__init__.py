"""Presolve: fix variables and split a problem into independent parts before a backend is called."""
