"""A consortium of three sites and a dealer as processes, and what its administrators type."""

import json
from contextlib import contextmanager

from federation.processes.started import Started
from privacy_accounting.audit.chain import open_file, read_entries
from privacy_accounting.audit.verify import verify
from privacy_accounting.ledger.entries import Entry
from tests.cli.conftest import crossward

SITES = ("anna", "bert", "carl")
COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"


def set_ledger(folders, site, **settings):
    """Write the [ledger] part of a site's file."""
    path = folders.site(site)
    text = path.read_text().split("\n[ledger]")[0]
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path.write_text("\n".join([text, "[ledger]", *lines, ""]))


def ask(folders, *arguments):
    """An exact answer, which the ledger enters."""
    return crossward("query", "-c", folders.consortium, COUNT, "--exact", "--json", *arguments)


def asked(folders):
    ran = ask(folders)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["rows"] == [[0, 3 * 97], [1, 3 * 206]]


def ledger(*arguments):
    return crossward("ledger", *arguments)


def kinds(path):
    """Kinds of the entries of a ledger file, in order."""
    store = open_file(path)
    try:
        return [Entry.from_bytes(data).body.kind for data in read_entries(store)]
    finally:
        store.close()


def whole(*paths):
    report = verify(paths)
    assert report.ok, report.to_dict()
    return report


@contextmanager
def running(folders):
    with Started(folders) as nodes:
        yield nodes
