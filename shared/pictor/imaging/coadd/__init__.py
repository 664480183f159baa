"""Coaddition: many aligned lights become one."""
