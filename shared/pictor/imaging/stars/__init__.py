"""Stars found and measured on one frame."""
