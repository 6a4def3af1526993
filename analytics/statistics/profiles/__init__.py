"""Summaries of many columns in one release.

Modules:     describe, table_one.
"""
