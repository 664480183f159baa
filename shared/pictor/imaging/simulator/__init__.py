"""The virtual observatory: physically sound frames whose truth is known."""
