import itertools

import pytest

from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore
from tests.ledger import postgres_server
from tests.ledger.ledger_world import World

_schemas = itertools.count()


@pytest.fixture
def world():
    return World().found()


@pytest.fixture(scope="session")
def postgres():
    yield from postgres_server.for_tests("STORE")


@pytest.fixture
def new_schema():
    return lambda: f"ledger_{next(_schemas)}"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make_store(request, tmp_path, new_schema):
    """Give a maker of stores of one kind; they are closed afterwards."""
    made = []

    def make(owner="ankara"):
        if request.param == "memory":
            store = MemoryStore(owner=owner)
        elif request.param == "sqlite":
            store = SqliteStore(tmp_path / f"{owner}{len(made)}.db", owner=owner)
        else:
            from privacy_accounting.ledger.storage.postgres import PostgresStore

            store = PostgresStore(request.getfixturevalue("postgres"), owner=owner, schema=new_schema())
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
