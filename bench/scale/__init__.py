"""What large problems take: measured on this machine, and estimated for networks that no machine here holds."""
