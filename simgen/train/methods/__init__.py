"""Training methods, one file each: which pictures they need, what they cost, their loss, settings and figures."""
