"""Messages lost while the agreement changes: approved amendments hold, and no site needs a restart."""

import time
import tomllib

import pandas as pd
import pytest

import federation
from federation.consortium.amending.amendments import remove_site, transfer_sequencer
from federation.errors import SiteUnavailableError
from federation.training.estimators import FederatedLogisticRegression
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.replication.sequencer import Sequencer
from tests.federation.hospitals import in_threads
from tests.operations.operations_world import SITES
from tests.setup.setup_world import SCHEMA

PRIVATE = "SELECT COUNT(*) AS n FROM visits"


@pytest.fixture
def session():
    frame = pd.DataFrame({"age": [40, 50, 60], "sex": [0, 1, 1]})
    with federation.local(dict.fromkeys(SITES, frame), schema=tomllib.loads(SCHEMA)) as opened:
        for node in opened.nodes.values():
            node.chain._admit = agreed(node.chain._admit)
        yield opened


def agreed(admit):
    """Every administrator agreed to every motion."""
    return lambda body: None if body.kind == "members" else admit(body)


def unheard(node, site):
    """Complete entries that a node sends do not reach a site."""
    carry, lost = node.chain._peers.broadcast, []

    def lose(messages, requests=()):
        if any(b'"type":"complete"' in data for data in messages.get(site, ())):
            lost.append(site)
            messages = {name: datas for name, datas in messages.items() if name != site}
        return carry(messages, requests)

    node.chain._peers.broadcast = lose
    return lost


def handed_over(session, to, *, by, unheard_by=""):
    """Hand the ledger over; wait until all who hear of it have."""
    nodes = session.nodes
    heard = [node for name, node in nodes.items() if name != unheard_by]
    entry = nodes[by].chain.enter_amendment(transfer_sequencer(nodes["carl"].replica.core.state, to))
    ends_at = time.monotonic() + 10
    while any(node.replica.head < entry.body.number for node in heard):
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_an_uninformed_next_sequencer_learns_its_role_when_asked(session):
    session.sql(PRIVATE, epsilon=0.1, fresh=True)
    lost = unheard(session.nodes["anna"], "bert")
    handed_over(session, "bert", by="anna", unheard_by="bert")
    assert lost
    assert session.nodes["bert"].replica.sequencer == "anna"
    session.sql(PRIVATE, epsilon=0.1, fresh=True)
    assert {node.replica.sequencer for node in session.nodes.values()} == {"bert"}


def test_an_amendment_is_entered_though_the_next_sequencer_missed_it(session):
    unheard(session.nodes["anna"], "bert")
    handed_over(session, "bert", by="anna", unheard_by="bert")
    handed_over(session, "carl", by="bert")
    assert {node.replica.sequencer for node in session.nodes.values()} == {"carl"}


def test_a_failed_site_removal_blocks_no_site_once_the_sequencer_returns(session):
    """Who was to commit it died before it did; all others had signed. Then the one thought lost asks for signatures."""
    session.sql(PRIVATE, epsilon=0.1, fresh=True)
    nodes = session.nodes
    bert = nodes["bert"].chain
    bert._check_lost = lambda _: None
    commit, bert._sequencer.commit = bert._sequencer.commit, died
    bert._sequencer.abandon = lambda _: None
    with pytest.raises(LedgerRefusedError, match="died"):
        bert.enter_amendment(remove_site(nodes["bert"].replica.core.state, "anna", sequencer="bert"))
    bert._sequencer = Sequencer(nodes["bert"].replica)  # its next life
    assert all(nodes[name].replica.in_doubt for name in ("bert", "carl"))
    assert commit
    for _ in range(2):
        session.sql(PRIVATE, epsilon=0.1, fresh=True)
    assert {node.replica.members for node in nodes.values()} == {SITES}
    assert not any(node.replica.in_doubt for node in nodes.values())


def test_a_site_removal_is_entered_though_a_site_missed_its_first_proposal(session):
    """It was withdrawn; a site that never saw it takes the withdrawal for what it is, and signs the next."""
    nodes = session.nodes
    bert = nodes["bert"].chain
    bert._check_lost = lambda _: None
    carry, gone = bert._peers.broadcast, []

    def miss(messages, requests=()):
        reached = dict(messages)
        if any(b'"type":"proposal"' in data for data in messages.get("carl", ())) and not gone:
            gone.append(reached.pop("carl"))
        return carry(reached, requests)

    bert._peers.broadcast = miss
    motion = remove_site(nodes["bert"].replica.core.state, "anna", sequencer="bert")
    with pytest.raises((SiteUnavailableError, LedgerRefusedError)):
        bert.enter_amendment(motion)
    bert._reached_all = False  # never true while the lost one is silent: all withdrawals are told again
    entry = bert.enter_amendment(motion)
    assert sorted(entry.signatures) == ["bert", "carl"]


def died():
    raise LedgerRefusedError(reason="died")


def test_a_training_goes_on_during_a_sequencer_transfer():
    told = []
    with in_threads() as session:
        for node in session.nodes.values():
            node.chain._admit = agreed(node.chain._admit)
        first = session.consortium.file.sequencer
        other = next(name for name in session.nodes if name != first)

        def hand_it_over(progress):
            told.append(progress)
            if len(told) == 1:
                chain = session.nodes[first].chain
                chain.enter_amendment(transfer_sequencer(session.nodes[first].replica.core.state, other))

        model = FederatedLogisticRegression(epsilon=1.0, rounds=3)
        model.fit(session, table="patients", features=["age"], target="disease", on_progress=hand_it_over)
        assert [step.round_number for step in told] == [1, 2, 3]
        assert {node.replica.sequencer for node in session.nodes.values()} == {other}
