"""Servers of PostgreSQL and MariaDB and a Spark cluster of the test run's own, with logins that need secrets."""

import pytest

from tests.sources import mariadb_server, servers, spark_cluster


@pytest.fixture(scope="session")
def server():
    """One for the session, or a skip with a loud line."""
    yield from servers.for_tests()


@pytest.fixture(scope="session")
def cluster():
    """One for the session, or a skip with a loud line."""
    yield from spark_cluster.for_tests()


@pytest.fixture(scope="session")
def mariadb():
    """One for the session, or a skip with a loud line."""
    yield from mariadb_server.for_tests()
