"""Counts, sums, means and variances: the aggregates of SQL.

Modules:     counts, sums, means, variances.
"""
