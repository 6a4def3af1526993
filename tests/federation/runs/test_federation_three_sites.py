"""Three sites compute without a dealer: equal answers with their trust model, over threads and TLS processes (P12)."""

import signal
import time
from fractions import Fraction

import pytest
from hospitals import BY_SEX, NAMES, THREE, at_a_distance, in_processes, in_threads, is_at_once

from analytics.errors import InvalidRequestError
from analytics.mining.request import MiningRequest
from federation.client.spending import Spending
from federation.client.visit import Visit
from federation.protocol.messages import Ask
from federation.protocol.request import REQUEST_TAG
from smpc.errors import PartyLostError
from smpc.transport.mesh import Step

FIRST, SECOND, DEALING = THREE
INPUTTING = "switzerland"
ITEMS = ["sex=M", "age>=60", "cp=asymptomatic", "fbs", "exang", "disease"]
DEADLINE_S = 4
DELAY_MS = 100
COUNT = "SELECT COUNT(*) AS n FROM patients"


def asked(session):
    """What both modes must agree on: guarded figures, suppressed ones, itemsets with their supports."""
    rows = session.sql(BY_SEX, exact=True)
    ages = session.sql(
        "SELECT cp, age, COUNT(*) AS n, AVG(chol) AS m FROM patients GROUP BY cp, age", exact=True
    )
    mined = session.table("patients").frequent_itemsets(ITEMS, min_support=0.1, max_len=3, exact=True)
    itemsets = mined.itemsets.to_dict("records")
    return rows.rows, ages.rows, ages.suppressed, itemsets, mined.n_rows


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(NAMES, id="four sites"),
        pytest.param(tuple(sorted(THREE)), id="three sites", marks=pytest.mark.slow),
    ],
)
def test_answers_equal_those_with_a_dealer_and_over_tls_too(names, tmp_path):
    with in_threads(names=names) as session:
        expected = asked(session)
        assert session.sql(BY_SEX, exact=True).receipt["secrecy"]["trust"] == "dealer"
    assert expected[2]
    assert expected[3]
    with in_threads(names=names, three_sites=THREE) as session:
        assert asked(session) == expected
    with in_processes(tmp_path / "here", names=names, three_sites=THREE) as session:
        assert asked(session) == expected
        assert not (session.folders.root / "helpers").exists()
        assert set(session.nodes_started.pids) == set(names)


# -- on whose honesty ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["threads", pytest.param("processes", marks=pytest.mark.slow)])
def trio(request, tmp_path_factory):
    if request.param == "threads":
        with in_threads(three_sites=THREE) as opened:
            yield opened
    else:
        with in_processes(tmp_path_factory.mktemp("trio") / "here", three_sites=THREE) as opened:
            yield opened


def test_a_guarded_answer_says_that_any_two_of_the_three_could_read(trio):
    explained, answer = trio.explain(BY_SEX, exact=True), trio.sql(BY_SEX, exact=True)
    for said in (explained.to_dict()["secrecy"], answer.receipt["secrecy"]):
        assert (said["trust"], said["threshold"], said["of"]) == ("three-sites", 1, 3)
        assert (said["evaluate"], said["deals"]) == ([FIRST, SECOND], DEALING)
    assert "secrecy threshold 1 of 3" in explained.text
    assert f"{FIRST} and {SECOND} evaluate, {DEALING} deals" in explained.text
    assert explained.to_dict()["dealer"]["needed"] is False


def test_mining_says_it_too(trio):
    table = trio.table("patients")
    assert table.frequent_itemsets(ITEMS, min_support=0.5, exact=True).receipt["secrecy"]["threshold"] == 1


def test_the_explained_rounds_of_mining_are_those_of_the_run(trio):
    request = MiningRequest(
        table="patients",
        items=tuple(ITEMS),
        min_support=Fraction(1, 10),
        min_confidence=Fraction(1, 2),
        max_len=1,
    )
    first = trio.explain_mining(request).to_dict()["first_block"]
    # keys, and what is dealt for the one level
    assert trio.mine(request).receipt["rounds"] == 1 + 1 + first["rounds"]


def test_a_private_sum_keeps_the_secrecy_of_all_sites_and_needs_no_third(trio):
    explained, answer = trio.explain(COUNT, epsilon=0.5), trio.sql(COUNT, epsilon=0.5)
    for said in (explained.to_dict()["secrecy"], answer.receipt["secrecy"]):
        assert (said["trust"], said["threshold"], said["of"], said["deals"]) == ("sites", 3, 4, "")
    assert "secrecy threshold 3 of 4 sites; no helper takes part" in explained.text
    # the keys alone: nothing was handed over, so no site holds more than its own summand
    assert answer.receipt["rounds"] == 1


def test_with_a_dealer_it_is_named():
    with in_threads(names=NAMES[:3]) as session:
        text = session.explain(BY_SEX, exact=True).text
        assert "secrecy threshold 2 of 3 sites, as long as the dealer (dealer) colludes with no site" in text
        assert "no helper takes part" in session.explain(COUNT, epsilon=0.5).text


def test_the_explained_rounds_and_bytes_are_those_of_the_run(trio):
    shape = trio.explain(BY_SEX, exact=True).to_dict()
    receipt = trio.sql(BY_SEX, exact=True).receipt
    # the analyst's opening is not an exchange among the sites, what is dealt is
    assert shape["rounds"] == receipt["rounds"]
    # the largest of all is what the dealing site sends to the first: keys, its input, material; besides, it deals
    # 64 bytes to the second and 32 to the inputting site
    n_figures = trio._planned(BY_SEX, None, exact=True, purpose="test").work.plan.n_figures
    assert receipt["bytes_sent_per_site"] == shape["dealer"]["bytes"] - 64 - 32 + 32 + 8 * n_figures


def test_without_dealer_or_computing_sites_a_guarded_query_is_refused_free(tmp_path):
    with in_processes(tmp_path / "here", helpers=()) as session:
        entries = session.health()[NAMES[0]].ledger_number
        for ask in (lambda: session.sql(BY_SEX, exact=True), lambda: session.explain(BY_SEX, exact=True)):
            with pytest.raises(InvalidRequestError, match="needs a dealer or three computing sites"):
                ask()
        with pytest.raises(InvalidRequestError, match="needs a dealer or three computing sites"):
            session.table("patients").frequent_itemsets(ITEMS, min_support=0.5, exact=True)
        assert session.health()[NAMES[0]].ledger_number == entries
        assert session.sql(COUNT, epsilon=0.5).rows


# -- what passes between sites -------------------------------------------------------------------------------


def test_no_masked_value_passes_to_the_dealing_site_or_one_that_only_inputs(monkeypatch):
    from smpc.transport.memory import MemoryMesh

    seen = []
    original = MemoryMesh.exchange

    def noting(self, kind, outgoing, expected):
        own = self.names[self.rank]
        seen.extend((kind, own, peer, len(payload)) for peer, payload in outgoing.items())
        return original(self, kind, outgoing, expected)

    monkeypatch.setattr(MemoryMesh, "exchange", noting)
    with in_threads(three_sites=THREE) as session:
        session.sql(BY_SEX, exact=True)
    opened = [entry for entry in seen if entry[0] in {Step.OPEN_RING, Step.OPEN_MASKED, Step.OPEN_PLANES}]
    assert {(sender, peer) for _, sender, peer, size in opened if size} == {(FIRST, SECOND), (SECOND, FIRST)}
    handed = {(sender, peer) for kind, sender, peer, size in seen if kind == Step.INPUT and size}
    assert handed == {(DEALING, FIRST), (INPUTTING, FIRST)}


# -- faults --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures") / "here"
    with at_a_distance(DELAY_MS, folder, three_sites=THREE, deadline_s=DEADLINE_S) as opened:
        yield opened


def hit(session, victim, number):
    """A site is hit between its charge and its answer; how long until the others say so, and whom they name."""
    began = None
    with pytest.raises(PartyLostError) as caught, session._pool.question(NAMES) as lines:
        planned = session._planned(BY_SEX, None, exact=True, purpose="test")
        ask = Ask(request=planned.data, signature=session._identity.sign(REQUEST_TAG + planned.data))
        visit = Visit(lines, ask, sequencer="cleveland")
        charged = visit.charged(Spending(), charge_s=10, answer_s=10)
        session.nodes_started.kill(victim, number)
        began = time.monotonic()
        visit.shares(charged, run_s=30)
    return time.monotonic() - began, caught.value.name


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(FIRST, marks=pytest.mark.slow),
        pytest.param(SECOND, marks=pytest.mark.slow),
        DEALING,
        INPUTTING,
    ],
)
def test_any_killed_role_is_named_at_once_and_the_next_query_works(world, victim):
    seconds, name = hit(world, victim, signal.SIGKILL)
    assert name == victim
    assert is_at_once(seconds, DEADLINE_S)
    world.nodes_started.restart(victim)
    assert [row[1] for row in world.sql(BY_SEX, exact=True).rows] == [194, 726]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [SECOND, DEALING])
def test_a_frozen_one_is_named_at_the_deadline(world, victim):
    try:
        seconds, name = hit(world, victim, signal.SIGSTOP)
    finally:
        world.nodes_started.kill(victim, signal.SIGCONT)
    assert name == victim
    assert DEADLINE_S - 1 < seconds < 3 * DEADLINE_S
    world.nodes_started.kill(victim, signal.SIGKILL)
    world.nodes_started.restart(victim)
    assert world.sql(BY_SEX, exact=True).rows[0][1] == 194
