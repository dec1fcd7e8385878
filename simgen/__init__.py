"""simgen: before/after image pairs of physical events."""
