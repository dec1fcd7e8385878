"""Recipes, and the plan of which sample goes into which shard."""
