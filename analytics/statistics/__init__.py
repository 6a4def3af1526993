"""Formulas from opened figures to the answer's columns, with the noise's standard errors.

Rooms: moments (counts, sums, means, variances).
"""
