"""How many examples a costly law has: few in every run, fifty times as many in ``make slow-laws``."""

import os

import pytest
from hypothesis import settings

TIMES = 50 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1


def costly_law(few, like=None, **more):
    """Mark a law and set its examples; ``make slow-laws`` runs what is marked at length."""

    def marked(test):
        return pytest.mark.costly_law(settings(like, max_examples=few * TIMES, **more)(test))

    return marked
