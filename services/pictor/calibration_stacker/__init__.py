"""Masters and calibrated lights."""
