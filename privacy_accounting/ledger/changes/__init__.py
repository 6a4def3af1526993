"""Entries of the ledger that change what later entries are held against."""
