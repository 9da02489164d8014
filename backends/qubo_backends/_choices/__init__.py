"""Searches over options of sites, whatever they search with: energies of many states, repair, the best states."""
