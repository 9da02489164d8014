"""Convert models of other libraries to problems, and use backends from these libraries."""
