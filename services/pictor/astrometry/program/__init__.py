"""Programs that run in processes of their own; never imported by the rest."""
