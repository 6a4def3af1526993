"""Founding a consortium over several machines, joining it, renewing its members."""
