"""Association of columns, and of items that people hold."""
