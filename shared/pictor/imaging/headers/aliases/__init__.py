"""Alias tables as data: one YAML file per capture program."""
