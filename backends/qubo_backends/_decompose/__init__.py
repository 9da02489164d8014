"""Large problems by blocks: which sites a block holds, its model with the rest fixed, and rounds over blocks."""
