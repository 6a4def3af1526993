"""The databases that hold a site's clean table: one file an engine."""
