"""A network as it is given: its layers and their use, its images, its loss, and running it."""
