"""Association of columns."""
