"""Free quotes for one request or a batch: the cost and the remaining budget, for the asking analyst."""

import json

import pytest

from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.errors import RequestRejectedError
from federation.protocol.messages import QuoteAnswer, QuoteAsk
from privacy_accounting.errors import BudgetExceededError
from tests.federation.failures.test_federation_attacks import COUNT, head, request_of

MEAN = "SELECT AVG(age) AS a FROM patients"


def test_a_quote_is_what_is_charged_and_leaves_what_is_left(private_world):
    session = private_world
    before = head(session)
    (quoted,) = session.quote([(COUNT, 0.5)])
    assert head(session) == before
    session.sql(COUNT, epsilon=0.5)
    assert quoted["fits"] is True
    row = next(
        r
        for r in session.budget_rows()
        if r["sub_budget"] == "query" and not r["purpose"] and not r["analyst"]
    )
    assert float(row["spent"]) == pytest.approx(float(quoted["cost"]), rel=1e-4)
    (next_one,) = session.quote([(COUNT, 0.5)])
    assert float(next_one["spent"]) == pytest.approx(float(row["spent"]), rel=1e-4)


def test_a_batch_quote_counts_earlier_requests_but_not_refused_ones(private_world):
    session = private_world
    lone = session.quote([(MEAN, 1)])[0]
    first, costly, last = session.quote([(MEAN, 1), (COUNT, 29), (MEAN, 1)])
    assert first == lone
    assert costly["fits"] is False
    assert costly["refusal"]
    assert float(last["spent"]) == pytest.approx(float(first["cost"]), rel=1e-4)
    with pytest.raises(BudgetExceededError):
        session.sql(COUNT, epsilon=29)


def test_an_analyst_gets_no_quote_for_others_requests_or_unpriced_ones(private_world):
    session = private_world
    site = session.consortium.file.sequencer

    def quoted(*requests):
        with session._pool.question([site]) as lines:
            return lines.ask_one(site, QuoteAsk(requests=list(requests)), QuoteAnswer, timeout_s=5)

    assert len(quoted(request_of(session).to_bytes()).rows) == 1
    with pytest.raises(RequestRejectedError, match="own name"):
        quoted(request_of(session, analyst="mallory").to_bytes())
    with pytest.raises(RequestRejectedError, match="exact"):
        quoted(request_of(session, mode="exact").to_bytes())
    with pytest.raises(RequestRejectedError, match="at most"):
        quoted(*[request_of(session).to_bytes()] * 65)
    with pytest.raises(PlanRejectedError):
        session.quote([("SELECT AVG(nothing) AS a FROM patients", 1)])
    with pytest.raises(InvalidRequestError):
        session.quote([(COUNT, None)])
    assert json.dumps(session.quote([(COUNT, 1)]))
