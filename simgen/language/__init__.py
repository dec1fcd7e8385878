"""Instructions from states: claims that are measured, and sentences that rest on them."""
