"""Small tools for every other module: checked arguments, optional packages, plain data."""
