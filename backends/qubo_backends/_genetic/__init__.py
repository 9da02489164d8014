"""What the backend `genetic` consists of."""
