"""Which calibration frames belong together, and which master a frame gets: decisions on facts, without pixels."""
