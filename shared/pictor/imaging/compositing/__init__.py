"""Colour pictures of frames taken through several filters."""
