"""What can be proven about problems of a real network, and how long it takes."""
