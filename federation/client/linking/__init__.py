"""Linkages of a session."""
