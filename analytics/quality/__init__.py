"""Data quality of one site's own rows, for its administrator: checks, thresholds, repairs, a score card.

Layer:       analytics.quality, above harmonise and sources.
Guarantees:  counts are of one site's own data and for that site's administrator alone.
See instead: quality over all sites together (``analytics.statistics.profiles.quality``).
"""
