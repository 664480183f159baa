"""Pixel work in limited child processes: reused, watched, killed as a group."""
