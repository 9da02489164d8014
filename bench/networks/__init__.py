"""Networks with their images, and the problems that come of them."""
