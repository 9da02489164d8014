"""What is measured of a network before its options are chosen."""
