"""What a light frame is worth, in numbers."""
