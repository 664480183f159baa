"""Combining many frames of one kind into one, pixel by pixel."""
