"""A consortium of three sites and a dealer as processes, with its administrators' commands."""

import json
import time
from contextlib import contextmanager

from federation.processes.launcher import Launcher
from privacy_accounting.audit.chain_reader import open_file, read_entries
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


def last_snapshot(folders, site):
    """Number of the last snapshot entry: a charge that waited may have gone before it."""
    found = kinds(folders.ledger(site))
    return len(found) - 1 - found[::-1].index("snapshot")


def settled(folders, sites, *, limit_s=20):
    """Wait until these sites hold the same entries and a snapshot: it comes after the answer."""
    ends_at = time.monotonic() + limit_s
    while True:
        held = [kinds(folders.ledger(site)) for site in sites]
        if "snapshot" in held[0] and all(each == held[0] for each in held):
            return held[0]
        assert time.monotonic() < ends_at, held
        time.sleep(0.05)


def whole(*paths):
    report = verify(paths)
    assert report.ok, report.to_dict()
    return report


@contextmanager
def running(folders):
    with Launcher(folders) as nodes:
        yield nodes
