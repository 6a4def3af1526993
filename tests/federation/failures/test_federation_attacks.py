"""Attacks by a hostile client, a hostile sequencer and a replay: sites refuse each before they send data."""

import copy
import dataclasses
import secrets
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hospitals import BY_SEX, NAMES, SCHEMA, files, in_threads
from visits import entry_of, runs_held, share_of, to_all, visited, withdraw

import federation
from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import AnalyticsError, InvalidRequestError, PlanRejectedError, ReleaseRefusedError
from federation.errors import (
    ConfigError,
    PolicyRefusedError,
    RequestHeldError,
    RequestRejectedError,
    SiteBusyError,
)
from federation.identity.authority import in_memory_identity
from federation.node.admission.exact_limits import ExactLimit
from federation.node.request_state import KEEP_S, State
from federation.protocol.messages import Accepted, Ask, Charged, RunRequest, Share
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.requests.kinds.registry import KINDS
from federation.requests.ledger_content import content_of
from federation.requests.planning import NO_PLAN, new_request, plan_request
from federation.requests.site_policy import ExactSoFar
from privacy_accounting.budget import PrivacyFilter
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.events import Relation
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Body, Entry
from privacy_accounting.noise import SystemSource
from smpc.errors import PartyLostError, PeerRejectedError

COUNT = "SELECT COUNT(*) AS n FROM patients"


def request_of(session, **changes):
    fields = {
        "kind": "query",
        "mode": "private",
        "epsilon": None,
        "analyst": session.analyst,
        "purpose": "attack",
        "nonce": secrets.token_hex(16),
        "configuration": session.consortium.digest(),
        "plan": NO_PLAN,
        "question": {"sql": COUNT},
    }
    fields |= changes
    if fields["mode"] == "private" and fields["epsilon"] is None:
        from fractions import Fraction

        fields["epsilon"] = Fraction(1, 100)
    request = Request(**fields)
    with suppress(AnalyticsError, KeyError):  # what cannot be planned has no plan
        return new_request(KINDS[request.kind](), request, session.consortium).request
    return request


def signed(session, data):
    return Ask(request=data, signature=session._identity.sign(REQUEST_TAG + data))


def head(session):
    return session.nodes["hungary"].replica.head


def refused_by_every_site(session, ask, error):
    """No site takes the request, alone or in one visit, and none keeps anything of it."""
    before = head(session)
    for name in NAMES:
        with pytest.raises(error), session._pool.question([name]) as lines:
            lines.ask_one(name, ask, Accepted, timeout_s=5)
        with pytest.raises(error), session._pool.question([name]) as lines:
            lines.ask_one(name, RunRequest(ask=ask, sequencer=name), Charged, timeout_s=5)
    assert head(session) == before
    nothing_is_left(session)


def states(session):
    return {name: session.nodes[name]._services.queries._states for name in NAMES}


def nothing_is_left(session):
    """No site holds a request, or a place for one; a look drops what a failed test before has left to expire."""
    until(
        lambda: all(
            each.find("") is None and not len(each) and not each.places._reserved
            for each in states(session).values()
        ),
        patience_s=KEEP_S + 20,
    )


def until(condition, patience_s=20):
    ends_at = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


@pytest.fixture(scope="module")
def world():
    with in_threads() as opened:
        yield opened


# -- a hostile client (P3) -----------------------------------------------------------------------------------


def test_a_request_that_was_changed_after_signing_is_refused_by_every_site(world):
    data = request_of(world).to_bytes()
    ask = signed(world, data)
    for changed in (data.replace(b"0.01", b"0.02"), data.replace(b"COUNT(*)", b"SUM(age)")):
        assert changed != data
        refused_by_every_site(world, Ask(request=changed, signature=ask.signature), RequestRejectedError)


def test_a_request_signed_by_another_analyst_is_refused(world):
    stranger = in_memory_identity("analyst", "analyst")
    data = request_of(world).to_bytes()
    ask = Ask(request=data, signature=stranger.sign(REQUEST_TAG + data))
    refused_by_every_site(world, ask, RequestRejectedError)


def test_an_analyst_cannot_ask_in_another_name(world):
    refused_by_every_site(
        world, signed(world, request_of(world, analyst="mallory").to_bytes()), RequestRejectedError
    )


def test_another_configuration_is_refused(world):
    data = request_of(world, configuration="00" * 32).to_bytes()
    refused_by_every_site(world, signed(world, data), InvalidRequestError)


@pytest.mark.parametrize(
    "changes", [{"kind": "spy"}, {"mode": "raw"}, {"question": {"sql": COUNT, "cost": 1}}, {"question": {}}]
)
def test_what_is_no_question_is_refused(world, changes):
    refused_by_every_site(world, signed(world, request_of(world, **changes).to_bytes()), InvalidRequestError)


@pytest.mark.parametrize("plan", ["00" * 32, "ab" * 32])
def test_a_request_with_another_plan_is_refused_by_every_site(world, plan):
    """The attack: the client shows its user another plan than the one that the sites run."""
    data = dataclasses.replace(request_of(world), plan=plan).to_bytes()
    refused_by_every_site(world, signed(world, data), RequestRejectedError)


def test_no_site_signs_a_proposal_whose_request_has_another_plan(world):
    data = dataclasses.replace(request_of(world), plan="ab" * 32).to_bytes()
    for found in altered(world, lambda body: body, ask=signed(world, data)):
        (error,) = found.values()
        assert isinstance(error, RequestRejectedError)
        assert "derives another plan" in str(error)


def test_a_request_of_the_version_before_is_refused_and_names_both_versions(world):
    data = request_of(world).to_bytes().replace(b'"version":2', b'"version":1')
    with (
        pytest.raises(PeerRejectedError, match=r"has version 1.*reads version 2 only"),
        world._pool.question(["hungary"]) as lines,
    ):
        lines.ask_one("hungary", signed(world, data), Accepted, timeout_s=5)


# -- charge before anything leaves (P1) ----------------------------------------------------------------------


def ran(session, **changes):
    """One whole run by hand: the request, its entry, and the shares."""
    ask = signed(session, request_of(session, **changes).to_bytes())
    with session._pool.question(NAMES) as lines:
        entry, shares = visited(lines, ask)
    return ask, entry, shares


@pytest.mark.parametrize("changes", [{}, {"mode": "exact"}])
def test_one_request_is_charged_and_answered_once_at_every_site(world, changes):
    ask, _, _ = ran(world, **changes)
    before = head(world)
    for name in NAMES:
        with pytest.raises(LedgerRefusedError, match="entered before"), world._pool.question([name]) as lines:
            lines.ask_one(name, RunRequest(ask=ask, sequencer="cleveland"), Share, timeout_s=5)
    assert head(world) == before
    nothing_is_left(world)


@pytest.mark.parametrize("missing", NAMES)
def test_a_charge_without_every_countersignature_runs_nowhere(world, missing):
    _, data, _ = ran(world)
    entry = Entry.from_bytes(data)
    forged = dataclasses.replace(
        entry.body, number=entry.body.number + 1, previous=entry.hash.hex(), time=entry.body.time
    )
    stripped = Entry(
        data=forged.to_bytes(),
        body=forged,
        signatures={name: sign for name, sign in entry.signatures.items() if name != missing},
    )
    ask = signed(world, request_of(world).to_bytes())
    for name in NAMES[1:]:
        with pytest.raises(LedgerRefusedError), world._pool.question([name]) as lines:
            to_all(lines, ask, names=[name])
            lines.ask_one(name, Charged(entry=stripped.to_bytes()), Share, timeout_s=5)
    nothing_is_left(world)


def test_an_entry_about_another_request_starts_no_run(world):
    _, entry, _ = ran(world)
    other = signed(
        world, request_of(world, question={"sql": "SELECT SUM(age) AS s FROM patients"}).to_bytes()
    )
    with world._pool.question(["hungary"]) as lines:
        to_all(lines, other, names=["hungary"])
        with pytest.raises(PartyLostError):  # it waits on
            lines.ask_one("hungary", Charged(entry=entry), Share, timeout_s=0.3)
        withdraw(lines, "hungary")
    nothing_is_left(world)


# -- one visit -----------------------------------------------------------------------------------------------


def test_sites_that_the_analyst_leaves_out_decide_by_the_proposal_and_take_part(world):
    """The request comes with the proposal alone: each site admits it, runs, and keeps its answer for its analyst."""
    ask = signed(world, request_of(world).to_bytes())
    with world._pool.question(["cleveland"]) as lines:
        to_all(lines, ask, names=["cleveland"])
        entry_of(lines)
        share_of(lines, "cleveland")
    for name in NAMES[1:]:
        with world._pool.question([name]) as lines:
            to_all(lines, ask, names=[name])
            assert len(share_of(lines, name).values) == 8
    nothing_is_left(world)


def test_an_answer_that_is_kept_is_given_to_its_analyst_alone_once_and_not_for_long(world, monkeypatch):
    ask = signed(world, request_of(world).to_bytes())
    with world._pool.question(["cleveland"]) as lines:
        to_all(lines, ask, names=["cleveland"])
        entry_of(lines)
        share_of(lines, "cleveland")
    queries = world.nodes["hungary"]._services.queries
    until_answered(world, ask, NAMES[1:])
    with pytest.raises(RequestRejectedError, match="an analyst other than its sender"):
        queries.open(ask, caller="mallory")
    assert queries.deliver(queries.open(ask, caller="analyst"), 5) is not None
    with pytest.raises(LedgerRefusedError, match="entered before"):
        queries.open(ask, caller="analyst")
    later = states(world)["switzerland"]
    monkeypatch.setattr(later, "_clock", lambda: time.monotonic() + KEEP_S + 1)
    with pytest.raises(LedgerRefusedError, match="entered before"):
        world.nodes["switzerland"]._services.queries.open(ask, caller="analyst")
    # a run of an earlier test may still end at this site: it is another request's
    assert later.find(request_hash(ask.request)) is None
    own = world.nodes["va_long_beach"]._services.queries
    own.deliver(own.open(ask, caller="analyst"), 5)
    nothing_is_left(world)


def until_answered(session, ask, names=NAMES):
    digest = request_hash(ask.request)
    until(lambda: all(states(session)[name].find(digest).state is State.ANSWERED for name in names))


def test_a_client_that_dies_after_the_charge_stops_no_site(world):
    before, ask = head(world), signed(world, request_of(world).to_bytes())
    digest = request_hash(ask.request)
    with runs_held(world) as go:
        with pytest.raises(ZeroDivisionError), world._pool.question(NAMES) as lines:
            to_all(lines, ask)
            entry_of(lines)
            raise ZeroDivisionError  # the channels are closed
        until(lambda: not any(each.find(digest).has_caller for each in states(world).values()))
        go.set()
        until_answered(world, ask)
    assert head(world) == before + 1
    assert not any(each.places._running for each in states(world).values())
    for name in NAMES:
        own = world.nodes[name]._services.queries
        own.deliver(own.open(ask, caller="analyst"), 5)


def test_a_complete_entry_starts_one_run_and_none_where_the_site_has_not_signed_it(world):
    """As after a restart: the entry comes by catch-up, and what this site signed before is spent and never run."""
    _, data, _ = ran(world)
    entry, node = Entry.from_bytes(data), world.nodes["hungary"]
    queries, signed_here = node._services.queries, node.replica.core.signed_in_this_life
    signed_here.discard(entry.hash)
    queries.completed([entry])
    assert len(states(world)["hungary"]) == 0
    signed_here.add(entry.hash)
    queries.completed([entry])
    request = states(world)["hungary"].find(entry.body.content.asked.request)
    with pytest.raises(LedgerRefusedError, match="started before"):
        request.answer.result(10)
    states(world)["hungary"].delivered(request)
    nothing_is_left(world)


def test_one_channel_at_a_time_waits_for_a_request(world):
    ask = signed(world, request_of(world).to_bytes())
    with world._pool.question(["hungary"]) as first, world._pool.question(["hungary"]) as second:
        to_all(first, ask, names=["hungary"])
        until(lambda: len(states(world)["hungary"]))
        with pytest.raises(RequestRejectedError, match="under way on another channel"):
            second.ask_one("hungary", RunRequest(ask=ask, sequencer="cleveland"), Share, timeout_s=5)
        withdraw(first, "hungary")
    nothing_is_left(world)


def test_a_request_that_is_not_charged_leaves_nothing_when_its_channel_closes(world):
    ask = signed(world, request_of(world).to_bytes())
    with pytest.raises(ZeroDivisionError), world._pool.question(NAMES[1:]) as lines:
        to_all(lines, ask, names=NAMES[1:])
        raise ZeroDivisionError
    nothing_is_left(world)


def test_a_refused_proposal_leaves_no_place_at_the_sites_that_admitted_it(world):
    """Also where the analyst's own message never came, so that only the withdrawal releases the place."""
    admission = world.nodes["va_long_beach"]._admission
    agreed, admission.policy = admission.policy, admission.policy.model_copy(update={"analysts": ["bob"]})
    before = head(world)
    try:
        for names in (NAMES, NAMES[:1]):
            ask = signed(world, request_of(world).to_bytes())
            with (
                pytest.raises(PolicyRefusedError, match=r"policy\.analysts"),
                world._pool.question(NAMES) as lines,
            ):
                to_all(lines, ask, names=names)
                entry_of(lines)
            nothing_is_left(world)
    finally:
        admission.policy = agreed
    assert head(world) == before
    assert world.sql(COUNT, epsilon=0.01).rows


def test_a_site_without_a_free_place_refuses_the_proposal_and_nothing_is_charged(world):
    places, before = states(world)["hungary"].places, head(world)
    limit, places._limit = places._limit, 0
    try:
        with pytest.raises(SiteBusyError) as caught, world._pool.question(["cleveland"]) as lines:
            to_all(lines, signed(world, request_of(world).to_bytes()), names=["cleveland"])
            entry_of(lines)
    finally:
        places._limit = limit
    assert caught.value.site == "hungary"
    assert head(world) == before
    nothing_is_left(world)


def test_a_request_that_waits_for_a_person_is_not_charged_and_can_be_asked_again(world):
    admission, before, approved = world.nodes["hungary"]._admission, head(world), []

    def hold(known):
        if not approved:
            raise RequestHeldError(site="hungary", reason="waiting for the data access committee")

    real, admission._hold = admission._hold, hold
    try:
        with pytest.raises(
            RequestHeldError, match="hungary holds the request: waiting for the data access"
        ) as caught:
            world.sql(COUNT, epsilon=0.01, fresh=True)
        assert not getattr(caught.value, "__notes__", [])
        assert head(world) == before
        nothing_is_left(world)
        approved.append(1)
        assert world.sql(COUNT, epsilon=0.01, fresh=True).rows
    finally:
        admission._hold = real


def test_a_refusal_is_raised_with_the_rule_of_each_site_and_no_other_site_waits_on(world):
    for name in NAMES:
        admission = world.nodes[name]._admission
        agreed, admission.policy = admission.policy, admission.policy.model_copy(update={"analysts": ["bob"]})
        try:
            with pytest.raises(
                PolicyRefusedError, match=r"policy\.analysts: analyst may not ask here"
            ) as caught:
                world.sql(COUNT, epsilon=0.01, fresh=True)
        finally:
            admission.policy = agreed
        assert caught.value.site == name
        nothing_is_left(world)


# -- a hostile sequencer (P3) --------------------------------------------------------------------------------


def altered(session, bend, *, ask=None, **changes):
    """Alter the body that the sequencer would propose for a request; give every other site's reply."""
    ask = ask or signed(session, request_of(session, **changes).to_bytes())
    answers = []
    for name in NAMES[1:]:
        node = session.nodes[name]
        node._admission.cache(ask)
        planned = plan_request(ask.request, session.consortium)
        honest = content_of(planned, ask.signature, node.replica.privacy_filter)
        state = node.replica.core.state
        body = Body(
            chain=node.replica.core.chain(),
            number=node.replica.head + 1,
            previous=state.place.previous,
            time=max(node._clock(), state.place.time),
            cohort=session.consortium.names,
            content=honest,
        )
        body = bend(body)
        answers.append(node.replica.core.judge([(body.to_bytes(), body)], node._admission.admit))
    return answers


def with_content(**changes):
    return lambda body: dataclasses.replace(body, content=dataclasses.replace(body.content, **changes))


def test_an_honest_body_would_be_signed(world):
    assert altered(world, lambda body: body) == [{}, {}, {}]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: with_content(cost=body.content.cost // 2)(body),
        lambda body: with_content(cost=body.content.cost * 2)(body),
        lambda body: with_content(cost_all_but_one=1)(body),
        lambda body: with_content(pure_epsilon=1)(body),
        lambda body: with_content(sub_budget="training")(body),
        lambda body: with_content(asked=dataclasses.replace(body.content.asked, purpose="other"))(body),
        lambda body: with_content(asked=dataclasses.replace(body.content.asked, nonce="00" * 16))(body),
        lambda body: with_content(asked=dataclasses.replace(body.content.asked, request="00" * 32))(body),
        lambda body: with_content(events=(body.content.events[0].replace('"count":1', '"count":2'),))(body),
        lambda body: dataclasses.replace(
            body, content=Exact(asked=body.content.asked, receivers=("analyst",))
        ),
        lambda body: dataclasses.replace(body, cohort=body.cohort[:3]),
    ],
    ids=[
        "half",
        "double",
        "n-1",
        "pure",
        "sub-budget",
        "purpose",
        "nonce",
        "request",
        "events",
        "exact",
        "cohort",
    ],
)
def test_no_site_signs_an_altered_charge(world, change):
    assert all(answer for answer in altered(world, change))


def test_an_exact_request_cannot_be_entered_as_a_charge_or_to_more_receivers(world):
    changes = [
        lambda body: dataclasses.replace(
            body, content=dataclasses.replace(body.content, receivers=("analyst", "mallory"))
        )
    ]
    for change in changes:
        assert all(answer for answer in altered(world, change, mode="exact"))


# -- policy, guessed columns, caps ---------------------------------------------------------------------------


def test_exact_requests_have_a_cap_per_analyst():
    policy = {"exact": True, "minimum_cell": 10, "exact_requests_per_analyst": 2}
    with in_threads(policy=policy) as session:
        for _ in range(2):
            session.sql(BY_SEX, exact=True)
        with pytest.raises(PolicyRefusedError, match="exact_requests_per_analyst: 2 are used up"):
            session.sql(BY_SEX, exact=True)
        session.sql(BY_SEX, epsilon=0.1)


def test_numbers_opened_about_a_population_have_a_cap_over_all_analysts():
    """The attack: many analysts, each below the cap of requests, open enough numbers to solve for the rows."""
    policy = {"exact": True, "minimum_cell": 10, "exact_numbers_per_population": 11}
    with in_threads(policy=policy) as session:
        session.sql(BY_SEX, exact=True)  # two groups of five figures
        with pytest.raises(
            PolicyRefusedError, match="exact_numbers_per_population: at most 11 over all analysts, 10 are"
        ):
            session.sql(BY_SEX, exact=True)
        with pytest.raises(PolicyRefusedError, match="asks for up to 4 more"):
            session.table("patients").frequent_itemsets(["sex=M", "disease"], min_support=0.2, exact=True)
        session.sql(COUNT, exact=True)
        session.sql(BY_SEX, epsilon=0.1)


def test_signed_incomplete_requests_count_against_both_caps():
    book, head = PrivacyFilter(relation=Relation.ADD_OR_REMOVE_ONE), 6
    book.add_exact("cardiology", "ada", numbers=10)
    cap = ExactLimit(SimpleNamespace(privacy_filter=book, head=head))
    asked = SimpleNamespace(population="cardiology", analyst="bob")
    cap.add_pending(7, SimpleNamespace(asked=asked, numbers=30))
    cap.add_pending(8, SimpleNamespace(asked=asked, numbers=2))
    assert cap.count("cardiology", "ada") == ExactSoFar(requests=1, numbers=42)
    assert cap.count("cardiology", "bob", 8) == ExactSoFar(requests=1, numbers=40)
    assert cap.count("cardiology", "bob") == ExactSoFar(requests=2, numbers=42)
    assert cap.count("oncology", "bob") == ExactSoFar(requests=0, numbers=0)


def test_questions_and_trainings_that_are_signed_and_not_complete_share_the_caps():
    """The attack: an exact question and a round without noise in one proposal were both the last one allowed."""
    with in_threads() as session:
        node = session.nodes["hungary"]
        number = node.replica.head + 1
        asked = SimpleNamespace(population="heart", analyst="analyst")
        node._admission._exact_limit.add_pending(number, SimpleNamespace(asked=asked, numbers=30))
        trainings = node._training.admission._exact_limit
        assert trainings.count("heart", "analyst") == ExactSoFar(requests=1, numbers=30)


def test_an_accepted_exact_request_says_how_many_came_before_as_a_number():
    with in_threads() as session:
        said = session.sql(BY_SEX, exact=True).receipt["exact_requests"]
        assert said["used"] == 1


@pytest.mark.parametrize("n_rows", [3, 4])
def test_no_request_reveals_that_a_table_exceeds_its_declared_size(n_rows):
    """The attack: the refusal of an exact question, which no entry records, said whether a site has more than rows_max rows."""
    columns = {"x": {"type": "boolean"}}
    schema = {"tables": {"t": {"privacy_unit": "row", "rows_max": 3, "columns": columns}}}
    frames = {name: pd.DataFrame({"x": [True] * n_rows}) for name in "abc"}
    question = "SELECT COUNT(*) AS n FROM t"
    with federation.local(frames, schema=schema, policy={"exact": False}) as session:
        with pytest.raises(PolicyRefusedError, match=r"policy\.exact: this site gives private answers only"):
            session.sql(question, exact=True)
    if n_rows == 3:
        with federation.local(frames, schema=schema) as session:
            assert session.sql(question, exact=True).rows == ((None,),)
        return
    with pytest.raises(ConfigError, match="table t holds more rows than its rows_max"):
        federation.local(frames, schema=schema)


def test_a_policy_above_the_agreed_minimum_cell_is_refused():
    with in_threads(policy={"exact": True, "minimum_cell": 10}) as session:
        node = session.nodes["hungary"]
        node._admission.policy = node._admission.policy.model_copy(update={"minimum_cell": 25})
        with pytest.raises(PolicyRefusedError, match="minimum_cell: at least 25, the consortium's is 10"):
            session.sql(BY_SEX, exact=True)


def test_guessed_columns_answer_nothing_private():
    schema = copy.deepcopy(SCHEMA)
    schema["tables"]["patients"]["columns"]["age"]["guessed"] = True
    view = "SELECT age, 'F' AS sex FROM source"
    schema["tables"]["patients"]["columns"] = {
        name: schema["tables"]["patients"]["columns"][name] for name in ("age", "sex")
    }
    schema["tables"]["patients"]["exact_dimensions"] = ["sex"]
    with federation.local(files(), schema=schema, view=view) as session:
        with pytest.raises(PlanRejectedError, match="guessed"):
            session.sql("SELECT AVG(age) AS m FROM patients", epsilon=0.5)
        assert session.sql(COUNT, epsilon=0.5).rows


def test_two_sites_give_no_exact_answer():
    two = {name: path for name, path in files().items() if name in NAMES[:2]}
    view = "SELECT age FROM source"
    schema = copy.deepcopy(SCHEMA)
    schema["tables"]["patients"]["columns"] = {"age": schema["tables"]["patients"]["columns"]["age"]}
    schema["tables"]["patients"]["exact_dimensions"] = []
    with federation.local(two, schema=schema, view=view) as session:
        with pytest.raises(ReleaseRefusedError):
            session.sql(COUNT, exact=True)
        assert session.sql(COUNT, epsilon=0.5).rows


# -- noise in shares (P7) ------------------------------------------------------------------------------------


def test_noise_beyond_any_colluding_sites_has_the_priced_variance(world):
    plan = plan_request(request_of(world).to_bytes(), world.consortium).work.plan
    draws, n, t = 2000, plan.context.n_sites, plan.context.colluding
    zeros = np.zeros(plan.n_figures, dtype=np.int64)
    noise = np.array(
        [[noisy_contribution(plan, zeros, SystemSource())[0] for _ in range(draws)] for _ in range(n)]
    )
    assert noise.dtype == np.int64
    priced = plan.blocks[0].sigma2_local * (n - t)
    for colluder in range(n):
        rest = noise.sum(axis=0) - noise[colluder]
        ratio = rest.astype(float).var() / priced
        # the sample variance of 2000 draws has a relative deviation of 3.2 %; 8 of them: below 1e-14
        assert abs(ratio - 1) < 8 * (2 / draws) ** 0.5
    broken = noise // 2  # half the noise must be noticed
    assert abs(broken.sum(axis=0).astype(float).var() / (plan.blocks[0].sigma2_local * n) - 1) > 0.5


def test_no_noise_without_a_private_plan_and_no_figure_beyond_its_clamp(world):
    plan = plan_request(request_of(world).to_bytes(), world.consortium).work.plan
    with pytest.raises(ReleaseRefusedError):
        noisy_contribution(plan, np.array([plan.clamps[0] + 1], dtype=np.int64), SystemSource())
    with pytest.raises(ReleaseRefusedError):
        noisy_contribution(plan, np.array([1.0]), SystemSource())
    exact = plan_request(request_of(world, mode="exact").to_bytes(), world.consortium).work.plan
    with pytest.raises(ReleaseRefusedError):
        noisy_contribution(exact, np.zeros(exact.n_figures, dtype=np.int64), SystemSource())


def test_charges_and_exact_disclosures_are_the_only_entries_that_run(world):
    entry = Entry.from_bytes(world.nodes["hungary"].replica.entries_from(0)[0])
    assert not isinstance(entry.body.content, Charge | Exact)
    assert world.nodes["hungary"].replica.may_start(entry) is False
