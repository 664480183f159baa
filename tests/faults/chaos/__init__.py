"""Random faults, reproducible from a seed, during continuous uploads; the check has the last word."""
