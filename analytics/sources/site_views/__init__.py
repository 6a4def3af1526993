"""A site's own view over its table, checked and compared with the schema."""
