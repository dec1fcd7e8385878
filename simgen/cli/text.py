"""Figures in words, for what commands print."""


def two_digits(value: float) -> str:
    """`0.12`, `47`, `1200`: two significant digits, and never an exponent."""
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"
