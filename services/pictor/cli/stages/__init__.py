"""The commands of the imaging library: one per stage, on files, without any server."""
