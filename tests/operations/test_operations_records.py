"""Each site keeps the text of what it signs, before it signs, and a bounded record of what it refuses."""

import secrets
import sqlite3
import stat
import tomllib
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import federation
from analytics.errors import PlanRejectedError
from federation.errors import ConfigError, PolicyRefusedError, RequestRejectedError, SiteUnavailableError
from federation.identity.authority import in_memory_identity
from federation.node.records import refusals
from federation.node.records.refusals import RefusalLog, read_refusals
from federation.node.records.request_texts import RequestTexts, read_texts
from federation.protocol.messages import Accepted, Ask, Charged, RunRequest
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from tests.operations.operations_world import COUNT, SITES
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def session():
    policy = {"exact": True, "largest_epsilon": "0.5"}
    with federation.local(
        dict.fromkeys(SITES, FRAME),
        schema=tomllib.loads(SCHEMA),
        policy=policy,
        deadline_s=10,
        engine="numpy",
    ) as opened:
        yield opened


def records(session, site="bert"):
    return session.nodes[site]._records


def entry(session, number):
    (data,) = session.nodes["bert"].replica.entries_from(number)[:1]
    return Entry.from_bytes(data)


def heads(session):
    return [node.replica.head for node in session.nodes.values()]


def refused_since(session, site, before):
    return records(session, site).refusals.report().refusals[before:]


# -- texts -------------------------------------------------------------------------------------------------------


def test_every_site_keeps_the_text_under_the_hash_of_the_ledger(session):
    session.sql(COUNT, fresh=True, epsilon=0.1, purpose="kept")
    asked = entry(session, session.nodes["bert"].replica.head).body.content.asked
    for site in SITES:
        data = records(session, site).texts.page().texts[asked.request]
        assert request_hash(data) == asked.request
        request = Request.from_bytes(data)
        assert (request.question, request.purpose, request.epsilon) == (
            {"sql": COUNT},
            "kept",
            Fraction(1, 10),
        )


@pytest.mark.parametrize("site", ["anna", "carl"])  # the one that proposes, and another
def test_a_request_whose_text_cannot_be_written_is_not_charged(session, site):
    """The attack: fill a site's disk, and ask what its administrator never sees."""
    connection = records(session, site).texts._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    before, kept = heads(session), len(records(session, site).texts.page().texts)
    long = f"{COUNT} -- {secrets.token_hex(4_900)}"
    with pytest.raises(SiteUnavailableError, match="cannot be kept") as caught:
        session.sql(long, fresh=True, epsilon=0.1)
    assert caught.value.site == site
    assert heads(session) == before
    assert len(records(session, site).texts.page().texts) == kept
    connection.execute("PRAGMA max_page_count = 1000000")
    session.sql(long, fresh=True, epsilon=0.1)
    assert heads(session) == [number + 1 for number in before]


def test_at_the_limit_of_an_analyst_nothing_is_dropped_and_nothing_runs(session):
    """The attack: push the traces of earlier requests out with long ones."""
    texts, before = records(session, "carl").texts, heads(session)
    kept, texts._limit = texts.page().texts, 100
    with pytest.raises(PolicyRefusedError, match=r"limits\.request_text_bytes: at most 100 bytes"):
        session.sql(COUNT, fresh=True, epsilon=0.1)
    texts._limit = LIMIT
    assert heads(session) == before
    assert texts.page().texts == kept


def test_texts_outlive_the_node_and_a_second_copy_changes_nothing(tmp_path):
    path = tmp_path / "requests.sqlite"
    texts = RequestTexts(path, site="anna", limit_bytes=25)
    texts.keep("d1", b"0123456789", analyst="ada", time=1)
    texts.keep("d1", b"another", analyst="ada", time=2)
    texts.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    texts = RequestTexts(path, site="anna", limit_bytes=25)
    texts.keep("d2", b"0123456789", analyst="ada", time=3)
    with pytest.raises(PolicyRefusedError):  # what was kept before the restart counts
        texts.keep("d3", b"0123456789", analyst="ada", time=3)
    texts.keep("d3", b"0123456789", analyst="bob", time=3)
    assert read_texts(path) == {"d1": b"0123456789", "d2": b"0123456789", "d3": b"0123456789"}
    texts.close()


@pytest.mark.parametrize("content", [b"not a database" * 100, None])
def test_a_damaged_file_of_records_is_named_at_the_start(tmp_path, content):
    path = tmp_path / "requests.sqlite"
    if content is None:
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"requests\.sqlite cannot be opened"):
        RequestTexts(path, site="anna", limit_bytes=LIMIT)
    if content is not None:
        for read in (read_texts, read_refusals):
            with pytest.raises(ConfigError):
                read(path)
    with pytest.raises(ConfigError, match="no such file"):
        read_texts(tmp_path / "none.sqlite")


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 400_000), min_size=1, max_size=12))
def test_law_pages_hold_every_text_once_and_in_order(sizes):
    texts = RequestTexts(None, site="anna", limit_bytes=1 << 30)
    for number, size in enumerate(sizes):
        texts.keep(f"d{number}", bytes([number]) * size, analyst="ada" if number % 2 else "bob", time=number)
    for analyst in (None, "ada", "bob"):
        found, after, pages = [], 0, 0
        while after is not None:
            page = texts.page(after, analyst=analyst)
            total = sum(map(len, page.texts.values()))
            assert total <= 1 << 20 or len(page.texts) == 1
            found += list(page.texts.items())
            after, pages = page.next_after, pages + 1
            assert pages <= len(sizes) + 1
        wanted = [
            (f"d{number}", bytes([number]) * size)
            for number, size in enumerate(sizes)
            if analyst is None or (number % 2 == 1) == (analyst == "ada")
        ]
        assert found == wanted
    texts.close()


# -- refusals ----------------------------------------------------------------------------------------------------


def signed(session, **changes):
    planned = session._planned(COUNT, Fraction(1, 10), exact=False, purpose="test")
    data = planned.data
    for old, new in changes.get("replace", ()):
        data = data.replace(old, new)
    identity = changes.get("identity", session._identity)
    return Ask(request=data, signature=identity.sign(REQUEST_TAG + data))


def test_a_refused_request_is_recorded_with_its_text_and_rule_at_the_site_that_refuses(session):
    before = {site: len(refused_since(session, site, 0)) for site in SITES}
    ledger = heads(session)
    with pytest.raises(PolicyRefusedError) as caught:
        session.sql(COUNT, fresh=True, epsilon=0.6, purpose="too much")
    assert heads(session) == ledger
    rows = [row for site in SITES for row in refused_since(session, site, before[site])]
    assert rows
    for row in rows:
        assert (row.sender, row.analyst, row.code) == ("analyst", "analyst", "PolicyRefusedError")
        assert "largest_epsilon" in row.rule
        assert row.rule.partition(" refuses: ")[2] == str(caught.value).partition(" refuses: ")[2]
        assert Request.from_bytes(row.request).purpose == "too much"
        assert row.digest == request_hash(row.request)


def test_a_site_that_the_analyst_leaves_out_records_its_refusal_too(session):
    admission = session.nodes["bert"]._admission
    before = len(refused_since(session, "bert", 0))
    agreed, admission.policy = (
        admission.policy,
        admission.policy.model_copy(update={"largest_epsilon": Fraction(1, 100)}),
    )
    ask = signed(session)
    try:
        with session._pool.question(["anna"]) as lines, pytest.raises(PolicyRefusedError):
            lines.ask_one("anna", RunRequest(ask=ask, sequencer="anna"), Charged, timeout_s=60)
    finally:
        admission.policy = agreed
    (row,) = refused_since(session, "bert", before)
    assert (row.digest, row.sender) == (request_hash(ask.request), "analyst")


def test_a_request_that_cannot_be_planned_is_recorded_where_it_is_sent(session):
    """The attack: probe with a client that plans nothing itself."""
    before = len(refused_since(session, "bert", 0))
    ask = signed(session, replace=[(b"COUNT(*)", b"COUNT(nothing)")])
    with session._pool.question(["bert"]) as lines, pytest.raises(PlanRejectedError):
        lines.ask_one("bert", ask, Accepted, timeout_s=10)
    (row,) = refused_since(session, "bert", before)
    assert row.code == "PlanRejectedError"
    assert Request.from_bytes(row.request).question["sql"].startswith("SELECT sex, COUNT(nothing)")


def test_what_no_known_analyst_signed_is_counted_and_not_kept(session):
    log = records(session).refusals
    before = log.report()
    stranger = in_memory_identity("analyst", "analyst")
    for ask in (signed(session, identity=stranger), Ask(request=b"nonsense", signature=b"")):
        with session._pool.question(["bert"]) as lines, pytest.raises(Exception) as caught:
            lines.ask_one("bert", ask, Accepted, timeout_s=10)
        assert type(caught.value).__name__ in {"RequestRejectedError", "PeerRejectedError"}
    after = log.report()
    assert after.refusals == before.refusals
    assert after.unsigned == before.unsigned + 2


def test_a_request_entered_before_is_recorded_as_the_sender_s(session):
    session.sql(COUNT, fresh=True, epsilon=0.1)
    asked = entry(session, session.nodes["bert"].replica.head).body.content.asked
    data = records(session).texts.page().texts[asked.request]
    before = len(refused_since(session, "bert", 0))
    with session._pool.question(["bert"]) as lines, pytest.raises(LedgerRefusedError):
        lines.ask_one(
            "bert",
            Ask(request=data, signature=bytes.fromhex(asked.request_signature)),
            Accepted,
            timeout_s=10,
        )
    (row,) = refused_since(session, "bert", before)
    assert (row.code, row.digest) == ("LedgerRefusedError", asked.request)


def log_of(session, path=None, most=None, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr(refusals, "MOST", most)
    return RefusalLog(path, consortium=session.consortium, site="anna", clock=lambda: 7)


RULE = PolicyRefusedError(site="anna", rule="largest_epsilon: at most 0.5")


def test_a_flood_of_refusals_keeps_a_fixed_number_and_counts_the_rest(session, tmp_path, monkeypatch):
    """The attack: fill the disk, or push another analyst's record out."""
    path = tmp_path / "refusals.sqlite"
    log = log_of(session, path, most=5, monkeypatch=monkeypatch)
    log.record(signed(session), RULE, sender="bob")
    asks = [signed(session) for _ in range(40)]
    for ask in asks:
        log.record(ask, RULE, sender="ada")
        log.record(ask, RULE, sender="ada")
    found = read_refusals(path)
    assert found == log.report()
    assert [row.digest for row in found.refusals if row.sender == "ada"] == [
        request_hash(ask.request) for ask in asks[-5:]
    ]
    assert {row.times for row in found.refusals if row.sender == "ada"} == {2}
    assert found.dropped == {"ada": 35}
    assert sum(row.sender == "bob" for row in found.refusals) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log.close()


def test_a_long_text_is_not_kept_and_a_long_rule_is_cut(session):
    log = log_of(session)
    data = signed(session, replace=[(b"GROUP BY sex", b"GROUP BY sex" + b" " * (17 << 10))])
    log.record(data, RequestRejectedError(site="anna", reason="x" * 3000))
    (row,) = log.report().refusals
    assert (row.request, len(row.rule), row.digest) == (None, 500, request_hash(data.request))


def test_load_and_faults_are_no_refusals(session):
    log = log_of(session)
    for error in (SiteUnavailableError(site="bert"), ValueError("row 17"), OSError("row 17")):
        log.record(signed(session), error)
    assert log.report() == refusals.RefusalReport(refusals=(), dropped={}, unsigned=0)


def test_a_full_disk_changes_no_refusal(session, tmp_path, caplog):
    log = log_of(session, tmp_path / "refusals.sqlite")
    (pages,) = log._connection.execute("PRAGMA page_count").fetchone()
    log._connection.execute(f"PRAGMA max_page_count = {pages}")
    long = signed(session, replace=[(b"GROUP BY sex", b"GROUP BY sex" + b" " * (15 << 10))])
    for _ in range(2):
        with pytest.raises(PolicyRefusedError), log.noting(long, "analyst"):
            raise RULE
    assert log.report().refusals == ()
    assert [
        record.getMessage() for record in caplog.records if "cannot be recorded" in record.getMessage()
    ] == ["anna: a refusal cannot be recorded: database or disk is full"]
    log._connection.execute("PRAGMA max_page_count = 1000000")
    log.record(long, RULE)
    assert len(log.report().refusals) == 1
    log.close()


def test_a_reader_beside_the_node_stops_no_record(session, tmp_path):
    path = tmp_path / "refusals.sqlite"
    log = log_of(session, path)
    log.record(signed(session), RULE)
    reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    rows = reader.execute("SELECT * FROM refusals")
    rows.fetchone()
    log.record(signed(session), RULE)
    assert len(log.report().refusals) == 2
    reader.close()
    log.close()
