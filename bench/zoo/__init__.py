"""Networks that benchmarks and the zoo train."""
