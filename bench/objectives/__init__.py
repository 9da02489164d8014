"""Where pairs in the objective of `compress` pay: without, with, and chosen on held-out inputs."""
