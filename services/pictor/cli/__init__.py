"""The pictor command."""
