"""Header cards of many capture programs, told in one vocabulary."""
