"""The record of a sample, and the sample as bytes."""
