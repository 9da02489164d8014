"""The given network: its layers, how they are used, its images, its loss, and forward passes."""
