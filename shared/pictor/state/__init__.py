"""The only SQL: models in, models out."""
