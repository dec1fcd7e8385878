"""Solvers: arrays in, arrays out, SI units. Each imports its heavy library itself."""
