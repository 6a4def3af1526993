"""An entry changes the agreement, or brings a site, while requests are under way: no site signs what was planned before it."""

import pytest

from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.node.ledger.readiness import Readiness
from federation.training.estimators import FederatedLogisticRegression
from federation.training.running.run_state import Ending
from privacy_accounting.ledger.agreements import Agreements
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.entries import Body, Entry
from tests.federation.training.test_federation_training import FEATURES

COUNT = "SELECT COUNT(*) AS n FROM patients"


def entry_at(node, content, *, number=None):
    """As all sites would sign it; the state that follows holds no signature."""
    place, chain = node.replica.core.state.place, node.replica.core.state.chain
    body = Body(
        chain=chain,
        number=place.number if number is None else number,
        previous=place.previous,
        time=place.time,
        cohort=node.replica.members,
        content=content,
    )
    return Entry(data=body.to_bytes(), body=body, signatures={})


def amend(session, *names):
    for name in names or session.nodes:
        node = session.nodes[name]
        state = node.replica.core.state
        state.agreements = Agreements(
            (entry_at(node, AgreementChange(before=state.chain, terms='{"minimum_cell":12}')),)
        )


def join(session):
    added = MembersChange(
        change="add",
        name="dora",
        key="ab" * 32,
        sequencer=next(iter(session.nodes.values())).replica.sequencer,
        address="d.example:7843",
        fingerprint="cd" * 32,
    )
    for node in session.nodes.values():
        state = node.replica.core.state
        state.succession.change(entry_at(node, added, number=state.head))  # so that it holds at once


def test_after_the_entry_a_node_answers_nothing_until_it_is_restarted(private_world):
    session = private_world
    paid = session.sql(COUNT, epsilon=0.1)
    amend(session)
    with pytest.raises(SiteUnavailableError, match="changed the agreement: restart this node with it"):
        session.sql(COUNT, epsilon=0.2)
    heads = {node.replica.head for node in session.nodes.values()}
    assert heads == {paid.receipt["number"]}


def test_attack_a_request_that_was_accepted_before_the_entry_is_signed_by_no_site_after_it(
    private_world, monkeypatch
):
    """The entry comes between a site's first look and its signature."""
    session = private_world
    last = max(session.nodes)
    monkeypatch.setattr(Readiness, "_other_agreement", lambda _: "")
    before = session.sql(COUNT, epsilon=0.1).receipt["number"]
    amend(session, last)
    with pytest.raises(
        RequestRejectedError, match="changed the agreement; restart this node with it"
    ) as caught:
        session.sql(COUNT, epsilon=0.2)
    assert caught.value.site == last
    assert {node.replica.head for node in session.nodes.values()} == {before}  # nothing was charged


@pytest.mark.parametrize(
    ("event", "said"),
    [(amend, "changed the agreement"), (join, "the members have changed: restart this node")],
    ids=["amended", "joined"],
)
def test_a_training_that_the_entry_meets_is_broken_off_after_its_round(private_world, event, said):
    session, rounds = private_world, []

    def once(progress):
        rounds.append(progress)
        if len(rounds) == 1:
            event(session)

    task = FederatedLogisticRegression(epsilon=1.0, rounds=3).task(
        table="patients", features=FEATURES, target="disease"
    )
    outcome = session.train(task, on_progress=once)
    assert (outcome.ending, len(outcome.history)) == (Ending.FAILED, 1)
    assert said in outcome.failure
