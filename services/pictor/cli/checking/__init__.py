"""The invariants of an installation, one module per place they are looked for."""
