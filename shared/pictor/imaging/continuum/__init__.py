"""Emission-line images: a narrow-band frame without the continuum that a broad-band frame shows."""
