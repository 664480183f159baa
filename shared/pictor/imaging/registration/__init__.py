"""Registration: which positions of two frames belong together."""
