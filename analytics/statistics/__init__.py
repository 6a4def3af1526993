"""Formulas from opened figures to the answer's columns, with the noise's standard errors.

Modules:     moments (counts, sums, means, variances), ranges (what is possible at all), intervals (what the noise
             leaves open), bounded (private answers in their range).
"""
