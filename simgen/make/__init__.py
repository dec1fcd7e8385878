"""Index → Sample."""
