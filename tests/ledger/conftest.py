import itertools
import shutil
import tempfile
from pathlib import Path

import pytest

from privacy_accounting.ledger.sqlite import SqliteStore
from privacy_accounting.ledger.store import MemoryStore
from tests.ledger import postgres_server
from tests.ledger.ledger_world import World

_schemas = itertools.count()


@pytest.fixture
def world():
    return World().found()


@pytest.fixture(scope="session")
def postgres():
    """Connection string of a real server; skipped with a loud line where there is none."""
    reason = postgres_server.available()
    if reason:
        print(f"\n*** PostgreSQL STORE NOT TESTED: {reason} ***")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="cw"))  # short: the path of a Unix socket is at most 107 bytes
    folder.chmod(0o711)
    try:
        with postgres_server.server(folder) as conninfo:
            yield conninfo
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
            from privacy_accounting.ledger.postgres import PostgresStore

            store = PostgresStore(request.getfixturevalue("postgres"), owner=owner, schema=new_schema())
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
