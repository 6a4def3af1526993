"""Commands of the analyst: queries, statistics, cubes, counts, mining."""
