"""What flows, and the mathematics of it: types, errors, geometry, masks. Pure numpy; nothing of simgen lies below."""
