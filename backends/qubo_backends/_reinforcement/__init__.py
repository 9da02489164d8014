"""What the backend `reinforcement` consists of."""
