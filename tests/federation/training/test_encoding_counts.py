"""How often one query parses ledger bytes and encodes canonical JSON, with every site counted as a process of its own."""

import json
import sys
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from hospitals import BY_SEX, in_threads

from privacy_accounting.ledger import budgets, canonical_json, entries

COUNT = "SELECT COUNT(*) AS patients FROM patients"
MOST_PARSES, MOST_ENCODINGS = 12, 60
PARSES, EVENTS = (entries._read_body, entries._read_entry), (budgets.read_event, budgets.event_text)


def member():
    """The member that the running thread works for; the client works in the main thread."""
    return threading.current_thread().name.partition("-")[0]


def count_in_each_member(patch, counted):
    """Give each member caches of its own, as between processes, and count what they miss."""
    for cached in (*PARSES, *EVENTS):
        patch_everywhere(patch, cached, cache_of_each_member(cached.__wrapped__, counted, cached in PARSES))

    def dumps(*values, **settings):
        counted["encodings"] += 1
        counted[member()] += 1
        return json.dumps(*values, **settings)

    patch.setattr(canonical_json, "json", SimpleNamespace(loads=json.loads, dumps=dumps))


def cache_of_each_member(read, counted, is_parse):
    known = {}

    def reader(key):
        place = member(), key
        if place not in known:
            counted["parses"] += is_parse
            known[place] = read(key)
        return known[place]

    return reader


def patch_everywhere(patch, old, new):
    for module in list(sys.modules.values()):
        if getattr(module, old.__name__, None) is old:
            patch.setattr(module, old.__name__, new)


@pytest.fixture(scope="module")
def hospitals():
    with in_threads(engine="numpy") as session:
        session.sql(COUNT, epsilon=1, fresh=True)  # every site has read the first entry by then
        yield session


@pytest.mark.parametrize("query", [COUNT, BY_SEX], ids=["one event", "several events"])
def test_one_query_over_four_sites_parses_and_encodes_few_times(hospitals, query):
    with pytest.MonkeyPatch.context() as patch:
        counted = Counter()
        count_in_each_member(patch, counted)
        hospitals.sql(query, epsilon=1, fresh=True)
    members = {*hospitals.nodes, "MainThread"}
    assert {name for name in counted if name not in {"parses", "encodings"}} == members
    assert len(members) <= counted["parses"] <= MOST_PARSES
    assert counted["encodings"] <= MOST_ENCODINGS
