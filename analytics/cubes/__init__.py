"""Cubes: which marginals of a table are released together, and the one table that fits all of them best.

Layer:       analytics.cubes, between sql and statistics. Pure: no site, no noise, no I/O.
See instead: the release (``analytics.statistics.tables.cube``), questions to a cube (``analytics.results.cube_answers``).
"""
