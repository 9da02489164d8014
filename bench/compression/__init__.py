"""Which way of choosing bit widths keeps a network's accuracy, at equal size and without any fine-tuning."""
