"""Preview products."""
