"""Base models, one file each: how to encode, lay out tokens and call the transformer, and a tiny one to try it on."""
