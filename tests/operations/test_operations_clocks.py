"""Clocks of a whole consortium: a site with a wrong clock is named, and administrators repair a ledger dated ahead."""

import time
import tomllib

import pandas as pd
import pytest

import federation
from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import Amendment, correct_clock
from federation.errors import AmendmentRejectedError, ApprovalMissingError, SiteUnavailableError
from privacy_accounting.errors import ClockDiffersError, LedgerAheadError
from privacy_accounting.ledger.replication.entry_validation import CLOCK_SKEW_S
from tests.operations.operations_world import COUNT, SITES
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})
DAY_S = 86_400


@pytest.fixture(scope="module")
def session():
    with federation.local(dict.fromkeys(SITES, FRAME), schema=tomllib.loads(SCHEMA), deadline_s=10) as opened:
        yield opened


def set_clocks(session, **ahead):
    for name, node in session.nodes.items():
        skew = ahead.get(name, 0)
        node.replica.core.clock = lambda skew=skew: int(time.time()) + skew


def ask(session):
    return session.sql(COUNT, epsilon=0.01, fresh=True)


@pytest.fixture(autouse=True)
def right(session):
    set_clocks(session)
    yield
    set_clocks(session)


def test_the_site_whose_clock_differs_is_named(session):
    ask(session)
    for name, skew in (("bert", -DAY_S), ("carl", DAY_S)):
        set_clocks(session, **{name: skew})
        with pytest.raises((ClockDiffersError, LedgerAheadError), match=f"clock of {name}"):
            ask(session)
    for skew in (-DAY_S, DAY_S):  # an entry before that was dated behind or ahead says nothing yet
        set_clocks(session, anna=skew)
        with pytest.raises((SiteUnavailableError, LedgerAheadError), match="anna") as caught:
            ask(session)
        if skew > 0:
            assert isinstance(caught.value, SiteUnavailableError)
            assert "ahead of those of all other sites" in str(caught.value)
    set_clocks(session)
    assert ask(session).rows


def test_a_ledger_dated_ahead_by_all_is_repaired_by_all_administrators(session, tmp_path):
    set_clocks(session, **dict.fromkeys(SITES, DAY_S))
    spent = ask(session).receipt["number"]
    set_clocks(session)
    with pytest.raises(LedgerAheadError, match=f"entry {spent} of the ledger is dated 86.* correct-clock"):
        ask(session)
    for node in session.nodes.values():
        node._consents = Approvals(tmp_path / node.name)
    state = session.nodes["anna"].replica.core.state
    motion = correct_clock(state, now=int(time.time()))
    assert Amendment.from_bytes(motion.to_bytes()) == motion
    assert "give up the date" in motion.text()
    assert f"entry {spent} is dated" in motion.now(state)
    for name in SITES[:-1]:
        session.nodes[name]._consents.agree(motion)
    with pytest.raises(ApprovalMissingError, match="carl"):
        session.enter(motion)
    session.nodes["carl"]._consents.agree(motion)
    assert session.enter(motion)["signed_by"] == list(SITES)
    with pytest.raises(AmendmentRejectedError, match="out of date"):
        session.enter(motion)
    with pytest.raises(AmendmentRejectedError, match="not ahead"):
        correct_clock(state, now=int(time.time()))
    assert ask(session).rows
    assert session.nodes["bert"].replica.core.state.place.time <= int(time.time()) + CLOCK_SKEW_S
