import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "federation"), str(TESTS / "statistics")]


@pytest.fixture(scope="module")
def session():
    from hospitals import BUDGET, in_threads

    with in_threads(budget={**BUDGET, "epsilon": "8"}) as opened:
        yield opened
