"""What ``pictor check --repair`` does; every step may be done twice."""
