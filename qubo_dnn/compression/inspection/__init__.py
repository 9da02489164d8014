"""What is known about a network before it is compressed, and what its folder says afterwards."""
