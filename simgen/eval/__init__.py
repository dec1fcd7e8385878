"""What editors have learnt: benchmarks that measure them."""
