"""Plate solving."""
