"""Resampling: frames on another grid of pixels."""
