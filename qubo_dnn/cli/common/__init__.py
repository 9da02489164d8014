"""What commands share: their arguments, and printing."""
