"""Plate solvers behind one protocol."""
