import pytest

from tests.transport.intruder import PAIR, Intruder
from tests.transport.tls_world import HELPER, PARTIES, Nodes, World


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nodes(world):
    """Three parties and a dealer, for all tests of a module that leave them in order."""
    with Nodes(world, (*PARTIES, HELPER)) as running:
        yield running


@pytest.fixture
def pair(world):
    with Nodes(world, PAIR, hold_s=0.6) as running:
        yield running


@pytest.fixture
def intruder(pair):
    made = Intruder(pair)
    yield made
    made.connection.close()
