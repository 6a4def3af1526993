import pytest

from tests.ledger.ledger_world import World


@pytest.fixture
def world():
    return World().found()
