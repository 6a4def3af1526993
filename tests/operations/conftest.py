import pytest

from tests.ledger import postgres_server


@pytest.fixture(scope="session")
def postgres():
    yield from postgres_server.for_tests("LEDGER OF A NODE")


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""
