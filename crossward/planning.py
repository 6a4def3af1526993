"""Planning a study without data and without a charge: power, sample size, and p-values of several tests.

Layer:       crossward.planning, above ``analytics.plans``.
See instead: the tests themselves, asked of a table (``session.table``).
"""

from analytics.plans.power import (
    Design,
    SampleSize,
    means_power,
    means_sample_size,
    proportions_power,
    proportions_sample_size,
)
from analytics.statistics.profiles.multiplicity import Adjusted, multipletests

__all__ = [
    "Adjusted",
    "Design",
    "SampleSize",
    "means_power",
    "means_sample_size",
    "multipletests",
    "proportions_power",
    "proportions_sample_size",
]
