import pytest

from tests.ledger import postgres_server


@pytest.fixture(scope="session")
def postgres():
    yield from postgres_server.for_tests("LEDGER OF A NODE")
