"""Plate solutions: projection, refit over all matched stars, verification, geometry."""
