"""Checks that a site repeats before it signs, because a client may omit that site when it asks."""

import json
import tomllib
from fractions import Fraction

import pandas as pd
import pytest

import federation
from analytics.errors import InvalidRequestError
from federation.errors import PolicyRefusedError
from federation.node.admission.exact_limits import ExactLimit
from federation.protocol.messages import Accepted, Ask, Charged, RunRequest
from federation.protocol.request import REQUEST_TAG
from federation.requests.ledger_content import content_of
from federation.requests.site_policy import ExactSoFar
from privacy_accounting.ledger.entries import Body
from smpc.errors import PeerRejectedError
from tests.operations.operations_world import COUNT, SITES
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})
CAP = 2


@pytest.fixture  # its own for each test: exact requests are counted for good
def session():
    policy = {"exact": True, "exact_requests_per_analyst": CAP, "largest_epsilon": "0.5"}
    with federation.local(
        dict.fromkeys(SITES, FRAME), schema=tomllib.loads(SCHEMA), policy=policy, deadline_s=10
    ) as opened:
        yield opened


def signed(session, *, epsilon=None):
    """A signed request, exact where it has no epsilon, and the entry's content that follows from it."""
    planned = session._planned(COUNT, epsilon, exact=epsilon is None, purpose="test")
    data = planned.data
    ask = Ask(request=data, signature=session._identity.sign(REQUEST_TAG + data))
    return ask, content_of(planned, ask.signature, session.nodes["bert"].replica.privacy_filter)


def body_of(session, content, *, behind=0):
    """The body that the sequencer would propose for the place ``behind`` the next one."""
    replica = session.nodes["bert"].replica
    return Body(
        chain=session.nodes["bert"].replica.core.chain(),
        number=replica.head + 1 + behind,
        previous=replica.head_hash.hex(),
        time=1,
        cohort=session.consortium.names,
        content=content,
    )


def test_p3_a_site_that_the_analyst_omits_still_refuses_before_signing(session):
    """The attack: only the site that orders is asked; the others see the request beside the proposal alone."""
    admission = session.nodes["bert"]._admission
    heads = [node.replica.head for node in session.nodes.values()]
    agreed, admission.policy = (
        admission.policy,
        admission.policy.model_copy(update={"largest_epsilon": Fraction(1, 10)}),
    )
    ask, _ = signed(session, epsilon=Fraction(1, 5))
    try:
        with session._pool.question(["anna"]) as lines:
            message = RunRequest(ask=ask, sequencer="anna")
            with pytest.raises(PolicyRefusedError, match="largest_epsilon") as caught:
                lines.ask_one("anna", message, Charged, timeout_s=60)
    finally:
        admission.policy = agreed
    assert caught.value.site == "bert"
    assert [node.replica.head for node in session.nodes.values()] == heads


@pytest.mark.parametrize(
    ("changes", "epsilon", "rule"),
    [
        ({"largest_epsilon": Fraction(1, 100)}, Fraction(1, 5), "largest_epsilon"),
        ({"analysts": ["mallory"]}, Fraction(1, 5), "policy.analysts"),
        ({"purposes": ["other"]}, Fraction(1, 5), "policy.purposes"),
        ({"exact": False}, None, "policy.exact"),
        ({"minimum_cell": 99}, None, "policy.minimum_cell"),
        ({"exact_requests_per_analyst": 0}, None, "exact_requests_per_analyst"),
    ],
)
def test_p3_every_rule_of_a_site_is_checked_again_before_it_signs(session, changes, epsilon, rule):
    admission = session.nodes["bert"]._admission
    ask, content = signed(session, epsilon=epsilon)
    admission.cache(ask)
    agreed, admission.policy = admission.policy, admission.policy.model_copy(update=changes)
    try:
        with pytest.raises(PolicyRefusedError, match=rule):
            admission.admit(body_of(session, content))
    finally:
        admission.policy = agreed
    admission.admit(body_of(session, content))  # and under its agreed rules the same site signs


def test_p8_exact_requests_of_one_proposal_count_each_other_and_no_more(session):
    admission = session.nodes["bert"]._admission
    admission._exact_limit = ExactLimit(session.nodes["bert"].replica)
    bodies = []
    for behind in range(CAP + 1):
        ask, content = signed(session)
        admission.cache(ask)
        bodies.append(body_of(session, content, behind=behind))
    for _ in range(2):  # a proposal that comes again under another ballot does not count twice
        for body in bodies[:CAP]:
            admission.admit(body)
        with pytest.raises(PolicyRefusedError, match=f"exact_requests_per_analyst: {CAP} are used up"):
            admission.admit(bodies[CAP])


def test_p8_the_last_exact_request_is_allowed_and_the_next_is_not(session):
    admission = session.nodes["bert"]._admission
    for node in session.nodes.values():
        node._admission._exact_limit = ExactLimit(node.replica)
    for used in range(CAP):
        assert admission._exact_limit.count("visits", session.analyst) == ExactSoFar(
            requests=used, numbers=2 * used
        )  # two groups each
        session.sql(COUNT, exact=True)
    with pytest.raises(PolicyRefusedError, match=f"exact_requests_per_analyst: {CAP} are used up"):
        session.sql(COUNT, exact=True)
    ask, content = signed(session)
    admission.cache(ask)
    with pytest.raises(PolicyRefusedError, match=f"exact_requests_per_analyst: {CAP} are used up"):
        admission.admit(body_of(session, content))
    session.sql(COUNT, epsilon=0.1, fresh=True)  # private ones have a budget instead


def test_p19_every_site_refuses_a_query_of_null(session):
    """The attack: ``question: null`` and fields of other types met a fault inside the node."""
    right = json.loads(signed(session, epsilon=Fraction(1, 10))[0].request)
    for changes in ({"question": None}, {"question": []}, {"nonce": 7}, {"purpose": "a\u202eb"}):
        data = json.dumps(right | changes, sort_keys=True, separators=(",", ":")).encode()
        ask = Ask(request=data, signature=session._identity.sign(REQUEST_TAG + data))
        for name in SITES:
            with (
                pytest.raises((PeerRejectedError, InvalidRequestError)),
                session._pool.question([name]) as lines,
            ):
                lines.ask_one(name, ask, Accepted, timeout_s=30)
    with pytest.raises(InvalidRequestError, match="purpose"):
        session.sql(COUNT, epsilon=0.1, fresh=True, purpose="a\u202eb")
    assert session.sql(COUNT, epsilon=0.1, fresh=True, purpose="Qualität").rows
