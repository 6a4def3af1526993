"""Linkages from the analyst's session to the sites' files: who learns what, and what is refused before the charge."""

from fractions import Fraction

import pandas as pd
import pytest

import federation
from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.linkage.answer import CLOSED, finish_linkage, linked_answer
from analytics.linkage.plan import make_link_plan
from analytics.linkage.request import LinkRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from federation.errors import PolicyRefusedError
from privacy_accounting.ledger.entries import Entry

SITES = ("ada", "bob", "cyd")
TABLE = {
    "privacy_unit": "pid",
    "max_rows_per_unit": 3,
    "rows_max": 120,
    "exact_dimensions": ["ill"],
    "link_form": ["nfkc", "casefold", "no_blanks"],
    "columns": {"pid": {"type": "identifier"}, "ill": {"type": "boolean"}},
}
SCHEMA = {"tables": {"patients": TABLE, "visits": {**TABLE, "link_form": []}, "plain": TABLE | {}}}
del SCHEMA["tables"]["plain"]["link_form"]


def people(first, last, spelling="p{}"):
    numbers = range(first, last)
    return pd.DataFrame({"pid": [spelling.format(n) for n in numbers], "ill": [n % 3 == 0 for n in numbers]})


def tables(patients, visits=None):
    visits = people(0, 20) if visits is None else visits
    return {"patients": patients, "visits": visits, "plain": people(0, 20)}


@pytest.fixture(scope="module")
def session():
    rows = {
        "ada": tables(people(0, 60, "P {}")),
        "bob": tables(pd.concat([people(40, 100), people(40, 50)])),
        "cyd": tables(people(90, 105), pd.DataFrame({"pid": ["x"] * 20, "ill": [True] * 20})),
    }
    policy = {"minimum_cell": 10, "linkage": list(SITES)}
    with federation.local(rows, schema=SCHEMA, policy=policy, engine="numpy") as opened:
        yield opened


def entries(session):
    return session.nodes["ada"].replica.head


def links_of(session, site, table="patients"):
    return session.nodes[site]._sources[table].links


def test_two_sites_learn_their_common_patients_and_the_analyst_their_number(session):
    at_cyd = dict(links_of(session, "cyd")._memory)
    found = session.table("patients").link(["bob", "ada"], exact=True, purpose="follow-up")
    assert found.count == 20
    assert found.text == "ada and bob share 20 patients of patients"
    receipt = found.receipt
    assert (receipt["kind"], receipt["purpose"], receipt["secrecy"]["trust"]) == (
        "exact",
        "follow-up",
        "pair",
    )
    (entry,) = session.nodes["cyd"]._store.entries(receipt["number"], 1)
    assert Entry.from_bytes(entry).body.content.receivers == ("ada", "analyst", "bob")
    kept = {
        site: links_of(session, site).kept(links_of(session, site).linkage("patients", peer))
        for site, peer in (("ada", "bob"), ("bob", "ada"))
    }
    orders = {}
    for site, link in kept.items():
        digests = session.nodes[site]._sources["patients"].link_digests()
        places = link.places(digests)
        orders[site] = [digest for _, digest in sorted(zip(places.tolist(), digests, strict=True)) if _ >= 0]
        assert len(orders[site]) == 20
    assert orders["ada"] == orders["bob"]
    assert kept["ada"].session == kept["bob"].session
    assert links_of(session, "cyd")._memory == at_cyd


def test_a_second_linkage_of_a_pair_and_table_is_refused_and_costs_nothing(session):
    before = None
    visits = session.table("visits")
    visits.link(["ada", "bob"], exact=True, learns="count")
    before = entries(session)
    for learns in ("rows", "count"):
        with pytest.raises(PolicyRefusedError, match="one linkage a pair and table version"):
            visits.link(["bob", "ada"], exact=True, learns=learns)
    assert entries(session) == before
    kept = links_of(session, "ada", "visits")
    assert kept.kept(kept.linkage("visits", "bob")).patients == b""


def test_few_common_patients_and_none_are_closed_alike(session):
    some = session.table("patients").link(["bob", "cyd"], exact=True)  # 10 common
    none = session.table("patients").link(["ada", "cyd"], exact=True)  # 0 common
    assert some.count == 10
    assert none.count is None
    few = session.table("visits").link(["ada", "cyd"], exact=True)  # cyd has one person only, unknown at ada
    assert few.count is None
    assert "fewer than 10" in few.text
    assert few.to_dict()["count"] is None


def test_an_explanation_says_who_learns_what_and_spends_nothing(session):
    before = entries(session)
    shown = session.explain_link(LinkRequest(table="patients", sites=("bob", "ada"), learns="count"))
    assert entries(session) == before
    assert "opened to ada: how many they share" in shown.text
    assert shown.to_dict()["size"] == 120
    assert shown.to_dict()["bytes_per_party"] > 2 * 32 * 120
    assert shown.to_dict()["secrecy"]["trust"] == "pair"


@pytest.mark.parametrize(
    ("sites", "options", "parameter"),
    [
        (["ada"], {}, "sites"),
        (["ada", "ada"], {}, "sites"),
        (["ada", "bob", "cyd"], {}, "sites"),
        (["ada", "eve"], {}, "sites"),
        ("ada", {}, "sites"),
        (["ada", "bob"], {"learns": "all"}, "learns"),
        (["ada", "bob"], {"exact": False}, "exact"),
    ],
)
def test_what_cannot_be_asked_is_named(session, sites, options, parameter):
    before = entries(session)
    with pytest.raises(InvalidRequestError) as refused:
        session.table("patients").link(sites, **{"exact": True, **options})
    assert refused.value.parameter == parameter
    assert entries(session) == before


def test_a_table_without_a_form_for_linkage_is_not_linked(session):
    with pytest.raises(InvalidRequestError, match="declares no form for linkage"):
        session.table("plain").link(["ada", "bob"], exact=True)


def test_each_site_must_name_the_other_and_a_site_with_doubled_identifiers_refuses_without_a_count():
    doubled = pd.DataFrame(
        {"pid": [f"{letter}{n}" for n in range(20) for letter in "pP"], "ill": [True] * 40}
    )
    rows = {"ada": people(0, 30), "bob": people(0, 30), "cyd": doubled}
    schema = {"tables": {"patients": TABLE}}
    with pytest.warns(UserWarning, match="identifiers"):
        opened = federation.local(
            rows, schema=schema, policy={"minimum_cell": 10, "linkage": ["ada", "cyd"]}, engine="numpy"
        )
    with opened as session:
        before = entries(session)
        with pytest.raises(
            PolicyRefusedError, match=r"policy.linkage: this site does not name bob"
        ) as refused:
            session.table("patients").link(["ada", "bob"], exact=True)
        assert refused.value.site == "ada"
        with pytest.raises(PolicyRefusedError, match="administrator sees why") as refused:
            session.table("patients").link(["ada", "cyd"], exact=True)
        assert refused.value.site == "cyd"
        assert not any(character.isdigit() for character in str(refused.value))
        assert entries(session) == before


def context(n_sites=3):
    return PlanContext(
        n_sites=n_sites, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
    )


def plan(**changes):
    table = Schema.from_dict({"tables": {"patients": TABLE | changes}}).tables["patients"]
    request = LinkRequest(table="patients", sites=("ada", "bob"))
    return make_link_plan(request, table, context(), SITES)


def test_exact_answers_of_two_sites_alone_are_refused():
    table = Schema.from_dict(SCHEMA).tables["patients"]
    with pytest.raises(ReleaseRefusedError):
        make_link_plan(LinkRequest(table="patients", sites=("ada", "bob")), table, context(2), ("ada", "bob"))


def test_a_plan_depends_on_form_size_and_pair():
    digests = {plan().digest(), plan(link_form=[]).digest(), plan(rows_max=121).digest()}
    assert len(digests) == 3


def test_numbers_below_the_minimum_cell_have_the_same_bytes():
    assert {linked_answer(count, 10) for count in range(10)} == {CLOSED}
    assert linked_answer(10, 10) == (10).to_bytes(8, "little")
    assert linked_answer(0, 0) == CLOSED
    assert linked_answer(None, 10) == b""


@pytest.mark.parametrize(
    "answers",
    [
        {"ada": linked_answer(11, 10), "bob": linked_answer(12, 10), "cyd": b""},
        {"ada": linked_answer(11, 10), "bob": CLOSED, "cyd": b""},
        {"ada": linked_answer(11, 10), "bob": linked_answer(11, 10), "cyd": b"x"},
        {"ada": b"", "bob": b"", "cyd": b""},
        {"ada": (3).to_bytes(8, "little"), "bob": (3).to_bytes(8, "little"), "cyd": b""},
        {"ada": (121).to_bytes(8, "little"), "bob": (121).to_bytes(8, "little"), "cyd": b""},
    ],
)
def test_answers_that_do_not_fit_together_are_refused(answers):
    with pytest.raises(ReleaseRefusedError):
        finish_linkage(plan(), answers, cost={}, receipt={})


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"table": "patients"},
        {"table": "patients", "sites": "ab"},
        {"table": "patients", "sites": ["ada", 1]},
        {"table": "patients", "sites": ["ada", "bob"], "learns": None},
        {"table": "patients", "sites": ["ada", "bob"], "more": 1},
        {"table": 1, "sites": ["ada", "bob"]},
    ],
)
def test_a_request_is_read_strictly(question):
    with pytest.raises(InvalidRequestError):
        LinkRequest.from_dict(question)


def test_a_request_is_the_same_whichever_site_is_named_first():
    first, second = (LinkRequest(table="t", sites=sites) for sites in (("ada", "bob"), ("bob", "ada")))
    assert first == second == LinkRequest.from_dict(first.to_dict())
