"""One module per package that is compared, each with its samplers at their best settings."""
