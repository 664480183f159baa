"""Stars and image quality."""
