"""Checks that `crossward doctor` runs."""
