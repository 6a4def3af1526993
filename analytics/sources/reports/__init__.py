"""What a site's administrator is told about the data that was read."""
