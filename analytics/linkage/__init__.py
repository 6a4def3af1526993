"""Linkage: which patients two sites have in common, found without showing either site's list to the other."""
