"""Tests of location: means, variances and ranks in groups."""
