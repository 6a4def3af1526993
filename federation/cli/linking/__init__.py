"""Commands of linkage."""
