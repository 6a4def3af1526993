"""A canary through the whole product: values planted in the sites' rows appear nowhere.

Searched: every byte on every line and mesh of a consortium, all log records, errors with their chains, reprs, ledgers
with their notes; as text, as integers and floats of either byte order, raw, scaled and centered as the engine holds
them. The same search finds a value that is sent, and finds the planted ones once a site forgets its mask.

False alarms: below 1e-4 a run. Every pattern has 8 bytes, or 7 characters of which one is no hexadecimal digit, or at
least 8 digits that stand alone; among 10 MB of uniform bytes the first two kinds have chance 1e-8, and the last meets
some hundred public numbers of the same length.
"""

import logging
import re
import struct
import threading
import tomllib
import traceback
from contextlib import contextmanager

import duckdb
import numpy as np
import pandas as pd
import pytest

import federation
from analytics.disclosure import release
from analytics.errors import AnalyticsError
from analytics.sources import local_table as sources
from federation.errors import FederationError, SiteUnavailableError
from federation.network.in_memory import MemoryChannel
from federation.processes.launcher import Launcher
from federation.protocol import exchange
from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup
from federation.training import site_worker
from federation.training.estimators import FederatedLogisticRegression
from privacy_accounting.errors import BudgetExceededError
from privacy_accounting.ledger.storage.store import MemoryStore, Table
from smpc.transport.memory import MemoryMesh

SITES = ("anna", "bert", "cora")
PLANTED = ("7919.2503", "6133.7507", "8461.3709")  # one amount a site
WORDS = (
    "zyzzyvas-in-ward",
    "quokka-in-theatre",
    "axolotl-on-stairs",
)  # free text that the view turns into a flag
PEOPLE = ("person-qwx-48611", "person-kjv-51797", "person-zhb-60913")
UPPER, STEPS = 10_000, 10_000  # resolution 0.0001
ASKED_FOR = "3571.5"  # a constant of a question: the one number that must be found
VIEW = (
    "SELECT person, amount, length(remark) > 12 AS flagged, CASE as_number(ward) WHEN 1 THEN 'east' ELSE 'west' END AS side,"
    " as_number(ill) = 1 AS ill FROM source"
)
SCHEMA_TEXT = f"""
[tables.stays]
population = "patients"
privacy_unit = "person"
max_rows_per_unit = 1
max_sites_per_unit = 1
rows_max = 1000
exact_dimensions = ["amount", "flagged", "side", "ill"]
[tables.stays.columns]
amount = {{ type = "numeric", lower = 0, upper = {UPPER}, resolution = 0.0001, bins = [0, 5000, {UPPER}] }}
flagged = {{ type = "boolean" }}
side = {{ type = "categorical", domain = ["east", "west"] }}
ill = {{ type = "boolean" }}
"""
BUDGET = {
    "epsilon": "40",
    "query": {"share": "0.5"},
    "mining": {"share": "0.1"},
    "training": {"share": "0.4"},
}
POLICY = {"exact": True, "minimum_cell": 10, "exact_requests_per_analyst": 100, "largest_epsilon": "30"}
SUM = "SELECT side, COUNT(*) AS n, SUM(amount) AS s FROM stays GROUP BY side"
ITEMS = ["flagged", "ill", "side=east", "amount>=5000"]


def rows(place):
    """300 ordinary rows and the planted one."""
    draw = np.random.default_rng(place)
    n = 300
    frame = pd.DataFrame(
        {
            "person": [f"p{place}-{number}" for number in range(n)],
            "amount": draw.integers(0, UPPER, n).astype(float),
            "remark": "usual",
            "ward": draw.integers(0, 2, n),
            "ill": draw.integers(0, 2, n),
        }
    )
    planted = {
        "person": PEOPLE[place],
        "amount": float(PLANTED[place]),
        "remark": WORDS[place],
        "ward": 1,
        "ill": 1,
    }
    return pd.concat([frame, pd.DataFrame([planted])], ignore_index=True)


# -- the search ----------------------------------------------------------------------------------------------------------


def integers(value):
    """An integer as a house of integers could write it: in decimal and as eight bytes of either order."""
    return {str(value).encode(), *(struct.pack(order + "q", value) for order in "<>")}


def patterns_of(text):
    """Every way in which the engine holds one planted amount, but for those too short to be told from chance."""
    value = float(text)
    index = round(value * STEPS)
    scaled = value / UPPER
    found = {text.encode(), repr(value).encode()}
    for integer in (index, index - UPPER * STEPS // 2, UPPER * STEPS // 2 - index):
        found |= integers(integer)
    for number in (value, float(index), scaled, 2 * scaled - 1):
        found |= {struct.pack(order + "d", number) for order in "<>"} | {repr(number).encode()}
    return {pattern for pattern in found if len(pattern) >= 7}


def words_of(text):
    return {text.encode(), text.encode("utf-16-le"), text.encode().hex().encode()}


def planted_patterns():
    found = set()
    for amount in PLANTED:
        found |= patterns_of(amount)
    for text in (*WORDS, *PEOPLE):
        found |= words_of(text)
    return found


def hits(haystack, patterns):
    """Which patterns stand in the bytes; a number in decimal stands alone, not inside a longer one or a hash."""
    return {
        pattern
        for pattern in patterns
        if pattern in haystack and (not pattern.isdigit() or alone(pattern, haystack))
    }


def alone(digits, haystack):
    return re.search(rb"(?<![0-9a-f])" + digits + rb"(?![0-9a-f])", haystack) is not None


class Tap:
    """Everything that was sent, and every integer that a site held alone."""

    def __init__(self):
        self._lock, self.sent = threading.Lock(), []
        self.secret = {"figures": set(), "with noise": set(), "update": set()}
        self.lines = self.frames = 0

    def keep(self, data, *, is_frame):
        with self._lock:
            self.sent.append(bytes(data))
            self.frames += is_frame
            self.lines += not is_frame

    def hold(self, kind, values):
        with self._lock:
            self.secret[kind] |= {int(value) for value in values}

    def data(self):
        return b"\0".join(self.sent)

    def local_patterns(self, *kinds):
        """What a site held alone, where it is long enough: from 2**20 as eight bytes, from 1e8 in decimal."""
        values = set().union(*(self.secret[kind] for kind in kinds or self.secret))
        found = {struct.pack(order + "q", value) for value in values if abs(value) >= 2**20 for order in "<>"}
        return found | {str(value).encode() for value in values if abs(value) >= 10**8}


@contextmanager
def tapped(monkeypatch):
    """Listen on every channel of this process, and at the two places where a site holds its own figures."""
    tap = Tap()
    send, exchange = MemoryChannel.send, MemoryMesh.exchange
    figures_of, noisy, update = (
        sources.LocalTable.local_figures,
        release.noisy_contribution,
        site_worker.site_update,
    )

    def on_line(self, message):
        tap.keep(message, is_frame=False)
        return send(self, message)

    def on_mesh(self, kind, outgoing, expected):
        for payload in outgoing.values():
            tap.keep(payload, is_frame=True)
        return exchange(self, kind, outgoing, expected)

    def at_site(self, plan, limit_s=None):
        figures = figures_of(self, plan, limit_s)
        tap.hold("figures", figures)
        return figures

    def with_noise(plan, figures, source):
        blurred = noisy(plan, figures, source)
        tap.hold("with noise", blurred)
        return blurred

    def trained(*arguments):
        total, kept = update(*arguments)
        tap.hold("update", total)
        return total, kept

    with monkeypatch.context() as patch:
        patch.setattr(MemoryChannel, "send", on_line)
        patch.setattr(MemoryMesh, "exchange", on_mesh)
        patch.setattr(sources.LocalTable, "local_figures", at_site)
        patch.setattr(release, "noisy_contribution", with_noise)
        patch.setattr(site_worker, "site_update", trained)
        yield tap


@contextmanager
def logged():
    """All records of all loggers, down to DEBUG, with their arguments and traces."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def text_of_record(record):
    trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return f"{record.getMessage()} {record.args!r} {trace}"


def text_of_error(error):
    """Text, repr, fields and the whole chain behind an error."""
    chain = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {vars(error)!r} {chain}"


# -- what is asked -------------------------------------------------------------------------------------------------------


def raised(kind, ask):
    with pytest.raises(kind) as caught:
        ask()
    return caught.value


def ask_everything(session, *, rounds=2):
    """Exact, private, mined and trained questions that succeed, and some that are refused; returns the errors."""
    assert session.sql(SUM, exact=True).rows
    session.sql("SELECT side, AVG(amount) AS m FROM stays WHERE flagged GROUP BY side", exact=True)
    assert session.sql(SUM, epsilon=0.5, fresh=True).rows
    session.sql(f"SELECT AVG(amount) AS m FROM stays WHERE amount > {ASKED_FOR}", epsilon=0.5, fresh=True)
    session.table("stays").frequent_itemsets(ITEMS, min_support=0.1, exact=True)
    FederatedLogisticRegression(epsilon=2.0, rounds=rounds).fit(
        session, table="stays", features=["amount", "flagged", "side"], target="ill"
    )
    return [
        raised(BudgetExceededError, lambda: session.sql(SUM, epsilon=29, fresh=True)),
        raised(
            AnalyticsError, lambda: session.sql("SELECT MAX(amount) AS m FROM stays", epsilon=0.1, fresh=True)
        ),
        raised(AnalyticsError, lambda: session.sql("SELECT person FROM stays", exact=True)),
        raised(AnalyticsError, lambda: session.sql("SELECT SUM(absent) AS s FROM stays", exact=True)),
    ]


@contextmanager
def consortium(stores=None):
    with federation.local(
        {name: rows(place) for place, name in enumerate(SITES)},
        schema=tomllib.loads(SCHEMA_TEXT),
        view=VIEW,
        budget=BUDGET,
        policy=POLICY,
        stores=stores,
    ) as session:
        yield session


def ledger_bytes(store):
    notes = [note for table in Table for note in store.notes(table)]
    return b"\0".join([*store.entries(), *(note.payload for note in notes), repr(notes).encode()])


# -- in one process ------------------------------------------------------------------------------------------------------


def test_no_planted_value_leaves_a_site_by_any_way(monkeypatch):
    stores = {name: MemoryStore(owner=name) for name in SITES}
    with logged() as records, tapped(monkeypatch) as tap, consortium(stores) as session:
        errors = ask_everything(session)
        errors.append(error_of_a_failing_scan(session, monkeypatch))
        reprs = " ".join(
            repr(each) for each in (session, session.consortium, *session.nodes.values(), *session.assistants)
        )
    places = {
        "channels": tap.data(),
        "log": "\n".join(map(text_of_record, records)).encode(),
        "errors": "\n".join(map(text_of_error, errors)).encode(),
        "reprs": reprs.encode(),
    } | {f"ledger of {name}": ledger_bytes(store) for name, store in stores.items()}
    assert tap.lines > 100
    assert tap.frames > 100
    assert all(len(data) > 100 for data in places.values())
    patterns = planted_patterns()
    local = tap.local_patterns()
    assert all(len(tap.local_patterns(kind)) >= 2 * len(SITES) for kind in tap.secret)
    assert {place: hits(data, patterns | local) for place, data in places.items()} == {
        place: set() for place in places
    }
    # the same search sees what is there: the constant of a question, and a public name
    assert hits(places["channels"], {ASKED_FOR.encode(), b"stays"}) == {ASKED_FOR.encode(), b"stays"}


def error_of_a_failing_scan(session, monkeypatch):
    """A database that quotes a row when it fails, which no row can bring about: what the analyst is told of it."""

    def quoting(*_):
        text = f"Conversion Error: could not read '{WORDS[0]}' of {PEOPLE[0]}: {PLANTED[0]}"
        raise duckdb.ConversionException(text)

    def rows_of(self, statement, limit_s):
        return self._run(lambda: self.engine._run(statement, limit_s, quoting))

    with monkeypatch.context() as patch:
        patch.setattr(sources.LocalTable, "_rows", rows_of)
        error = raised(FederationError, lambda: session.sql(SUM, epsilon=0.1, fresh=True))
    # whatever made it fail, it cannot be asked about a second time
    told = str(raised(SiteUnavailableError, lambda: session.sql(SUM, exact=True)))
    assert "out of service" in told
    return error


def test_the_canary_search_finds_unmasked_values(monkeypatch):
    """The control: the same run with one rule broken, figures instead of blinded shares, turns the search red."""

    def unmasked(session, plan, figures, source):
        share = honest(session, plan, figures, source)
        plain = figures.astype("<i8").tobytes()
        return plain + share[len(plain) :]

    honest = release.send_answer
    with tapped(monkeypatch) as tap, consortium() as session:
        session.sql("SELECT SUM(amount) AS s FROM stays", epsilon=0.5, fresh=True)
        assert not hits(tap.data(), tap.local_patterns())
        monkeypatch.setattr(release, "send_answer", unmasked)
        session.sql("SELECT SUM(amount) AS s FROM stays", epsilon=0.5, fresh=True)
        assert len(hits(tap.data(), tap.local_patterns("figures"))) == len(SITES)


@pytest.mark.parametrize("is_careless", [False, True], ids=["as it is", "careless"])
def test_an_error_that_quotes_a_row_is_reported_without_its_text(monkeypatch, is_careless):
    """The control for log, errors and channels: a node that passes on what it caught turns each of them red."""

    def quoting(*_):
        text = f"row of {PEOPLE[0]}: {PLANTED[0]}, {WORDS[0]}"
        raise RuntimeError(text)

    monkeypatch.setattr(sources.LocalTable, "_rows", quoting)
    if is_careless:
        monkeypatch.setattr(exchange, "traced", repr)
        monkeypatch.setattr(
            exchange,
            "to_wire",
            lambda error, site: ("SiteUnavailableError", {"site": site, "reason": str(error)}),
        )
    with logged() as records, tapped(monkeypatch) as tap, consortium() as session:
        error = raised(FederationError, lambda: session.sql(SUM, exact=True))
    places = (
        tap.data(),
        "".join(map(text_of_record, records)).encode(),
        text_of_error(error).encode(),
    )
    expected = words_of(PEOPLE[0]) | words_of(WORDS[0]) | {PLANTED[0].encode()}
    for data in places:
        found = hits(data, planted_patterns())
        assert len(found & expected) == (3 if is_careless else 0)
        assert found <= expected


WAYS = {
    "text": str,
    "grid": lambda v: str(round(v * STEPS)),
    "little": lambda v: struct.pack("<q", round(v * STEPS)),
    "big": lambda v: struct.pack(">q", round(v * STEPS)),
    "centered": lambda v: struct.pack("<q", round((v - UPPER / 2) * STEPS)),
    "float": lambda v: struct.pack("<d", v),
    "big-float": lambda v: struct.pack(">d", v),
    "scaled": lambda v: struct.pack("<d", v / UPPER),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_search_finds_each_way_of_writing_a_planted_value(way):
    written = WAYS[way](float(PLANTED[0]))
    data = b"x" * 100 + (written if isinstance(written, bytes) else written.encode()) + b"y" * 100
    assert hits(data, planted_patterns())
    assert not hits(b"x" * 200, planted_patterns())


# -- over real processes -------------------------------------------------------------------------------------------------


def everything_below(folder):
    """Every file of the consortium; the rows lie elsewhere."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_planted_value_stays_on_disk_outside_the_data(tmp_path):
    sites = {}
    for place, name in enumerate(SITES):
        path = tmp_path / "data" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        rows(place).to_csv(path, index=False)
        sites[name] = SiteSetup(
            tables={"stays": TableSetup(source=path, view=VIEW)}, policy=POLICY, engine="numpy"
        )
        assert hits(path.read_bytes(), planted_patterns())  # the search finds them where they belong
    terms = ConsortiumSettings(name="canary", budgets={"patients": BUDGET}, schema=SCHEMA_TEXT, deadline_s=10)
    folders = create_consortium(tmp_path / "here", terms=terms, sites=sites)
    with (
        Launcher(folders),
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        errors = ask_everything(session)
        running = everything_below(folders.root)
    for found in (running, everything_below(folders.root)):
        assert sum(name.endswith(".log") for name in found) >= len(SITES)
        assert sum("ledger" in name for name in found) >= len(SITES)
        # the search sees what is there: in every ledger the population, which is public
        assert sum(
            bool(hits(data, {b"patients"})) for name, data in found.items() if "ledger" in name
        ) >= len(SITES)
        assert {name for name, data in found.items() if hits(data, planted_patterns())} == set()
    assert not hits("\n".join(map(text_of_error, errors)).encode(), planted_patterns())
