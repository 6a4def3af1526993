"""Running an admitted and charged request at a site."""
