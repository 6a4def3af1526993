"""A PostgreSQL server of the test run's own, with logins that need passwords."""

import pytest

from tests.sources import servers


@pytest.fixture(scope="session")
def server():
    """One for the session, or a skip with a loud line."""
    yield from servers.for_tests()
