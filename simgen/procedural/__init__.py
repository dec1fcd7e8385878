"""Geometry and materials that simgen makes itself."""
