"""Observation cards and result cards."""
