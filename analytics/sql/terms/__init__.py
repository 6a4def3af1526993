"""Expressions of a query: their extent, their numbers, their evaluation, their text."""
