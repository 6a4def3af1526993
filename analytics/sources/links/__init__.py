"""Identifiers in the form for linkage, and the linkages that a site keeps."""
