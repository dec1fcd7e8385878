"""What the author of a scene uses: the contract, random draws, arrangements that many scenes share."""
