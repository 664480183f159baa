"""Verify, describe and register frames."""
