"""Answers from the analyst's own store: free, said, never another consortium's, version's, schema's or analyst's."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hospitals import NAMES, in_threads
from scipy import stats

from analytics.errors import InvalidRequestError
from federation.client.kept import kept_answers
from federation.client.kept.kept_answers import KeptAnswers, identities_of
from federation.display.terminal import cost_lines
from federation.errors import ConfigError
from federation.identity.authority import in_memory_identity
from tests.federation.failures.test_federation_attacks import head

COUNT = "SELECT COUNT(*) AS n FROM patients"
MEAN = "SELECT COUNT(*) AS n, AVG(age) AS a FROM patients"


@pytest.fixture(scope="module")
def world():
    with in_threads() as opened:
        yield opened


@pytest.fixture
def session(world, tmp_path, monkeypatch):
    """The session with an empty store in a file of its own."""
    monkeypatch.setattr(
        world, "_kept", KeptAnswers(replace(world._identity, path=tmp_path / "me.pem"), world._declared)
    )
    return world


def is_free(answer):
    return answer.receipt.get("from_store", {}).get("free", False)


def test_the_same_question_is_paid_once_and_says_so(session):
    paid, before = session.sql(MEAN, epsilon=0.1), head(session)
    again = session.sql("SELECT AVG(age) AS a, COUNT(*) AS n FROM patients", epsilon=0.1)
    assert head(session) == before
    assert not is_free(paid)
    assert is_free(again)
    assert again.rows[0][::-1] == paid.rows[0]
    assert again.interval_rows()[0][::-1] == paid.interval_rows()[0]
    assert again.cost["epsilon"] == "0"
    (origin,) = again.receipt["from_store"]["releases"]
    assert (origin["number"], origin["entry_hash"]) == (paid.receipt["number"], paid.receipt["entry_hash"])
    assert "free: made from your own releases of ledger entries" in str(again)
    assert any("--fresh" in line for line in cost_lines(again))
    assert "free: made" not in str(paid)


def test_a_part_of_a_paid_answer_is_free_and_a_new_part_is_not(session):
    session.sql("SELECT AVG(age) AS a, AVG(chol) AS c FROM patients", epsilon=0.1)
    before = head(session)
    assert is_free(session.sql("SELECT AVG(age) AS a FROM patients", epsilon=0.05))
    assert head(session) == before
    assert not is_free(session.sql("SELECT COUNT(*) AS n, SUM(age) AS s FROM patients", epsilon=0.05))
    assert not is_free(session.sql("SELECT AVG(age) AS a FROM patients WHERE age > 50", epsilon=0.05))
    assert not is_free(session.sql("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", epsilon=0.05))
    assert head(session) == before + 3


def test_less_noise_than_was_released_is_paid_for_and_combined(session):
    poor = session.sql(COUNT, epsilon=0.1)
    rich = session.sql(COUNT, epsilon=0.2)
    origin = rich.receipt["from_store"]
    assert (origin["free"], [each["number"] for each in origin["releases"]]) == (
        False,
        [poor.receipt["number"], rich.receipt["number"]],
    )
    alone = session._planned(COUNT, 0.2, exact=False, purpose="analysis").work.plan.noise_sd(0)
    expected = 1 / math.sqrt(1 / poor.errors[0][0] ** 2 + 1 / alone**2)
    assert rich.errors[0][0] == pytest.approx(expected)
    assert "made from" in str(rich)
    assert rich.cost["epsilon"] == "0.2"


def test_fresh_pays_again_and_later_answers_use_all_releases(session):
    first = session.sql(COUNT, epsilon=0.1)
    second = session.sql(COUNT, epsilon=0.1, fresh=True)
    assert second.receipt["number"] == first.receipt["number"] + 1
    assert "from_store" not in second.receipt
    assert second.errors == first.errors
    both = session.sql(COUNT, epsilon=0.1)
    assert is_free(both)
    assert both.errors[0][0] == pytest.approx(first.errors[0][0] / math.sqrt(2))
    assert both.rows[0][0] == round((first.rows[0][0] + second.rows[0][0]) / 2)  # counts are whole


def test_exact_answers_are_not_kept_and_not_taken_from_the_store(session):
    session.sql(COUNT, epsilon=0.1)
    exact = session.sql(COUNT, exact=True)
    assert "from_store" not in exact.receipt
    assert session.sql(COUNT, exact=True).receipt["number"] == exact.receipt["number"] + 1
    for wrong in (
        {"exact": True, "fresh": True},
        {"epsilon": 0.1, "fresh": 1},
        {"epsilon": 0.1, "fresh": None},
    ):
        with pytest.raises(InvalidRequestError, match="fresh"):
            session.sql(COUNT, **wrong)


def test_attack_an_altered_store_refuses_every_private_question_before_its_charge(session):
    session.sql(COUNT, epsilon=0.1)
    path, before = session._kept.store.path, head(session)
    path.write_bytes(path.read_bytes().replace(b'"values":[', b'"values":[1', 1))
    for question, fresh in ((COUNT, False), (COUNT, True), (MEAN, False)):
        with pytest.raises(ConfigError, match=r"was altered; move the file away"):
            session.sql(question, epsilon=0.1, fresh=fresh)
    assert head(session) == before
    assert session.sql(COUNT, exact=True).rows  # the store has no part in it


def test_attack_another_consortiums_block_is_never_used(session):
    answer = session.sql(COUNT, epsilon=0.1)
    with in_threads(names=NAMES) as other:  # the same sites, schema and rows; another agreement
        other._kept = session._kept
        before = head(other)
        paid = other.sql(COUNT, epsilon=0.1)
        assert head(other) == before + 1
        assert "from_store" not in paid.receipt
        assert len(session._kept.store.releases()) == 2
    assert session.sql(COUNT, epsilon=0.1).rows == answer.rows


def test_attack_another_versions_block_is_never_used(session, monkeypatch):
    session.sql(COUNT, epsilon=0.1)
    monkeypatch.setattr(kept_answers, "installed_version", lambda: "99.0")
    assert "from_store" not in session.sql(COUNT, epsilon=0.1).receipt


def test_attack_another_analysts_block_is_never_used(session):
    session.sql(COUNT, epsilon=0.1)
    path = session._kept.store.path
    session._kept = KeptAnswers(
        replace(in_memory_identity("analyst", "analyst"), path=path.with_name("you.pem")), session._declared
    )
    path.rename(path.with_name("you.answers"))
    with pytest.raises(ConfigError, match="is another analyst's"):
        session.sql(COUNT, epsilon=0.1)


def test_attack_another_cohorts_block_has_another_identity(session):
    plan = session._planned(COUNT, 0.1, exact=False, purpose="analysis").work.plan
    consortium = session.consortium
    fewer = {name: member for name, member in consortium.file.sites.items() if name != "hungary"}
    smaller = replace(consortium, file=consortium.file.model_copy(update={"sites": fewer}))
    assert identities_of(plan, smaller) != identities_of(plan, consortium)


def test_an_answer_from_the_store_names_the_sites_whose_rows_it_counts(session):
    """No site is asked, so one that was removed since the release may be among them."""
    session.sql(COUNT, epsilon=0.1)
    assert session.sql(COUNT, epsilon=0.1).receipt["from_store"]["sites"] == list(NAMES)
    assert session.sql(COUNT, epsilon=0.15).receipt["from_store"]["sites"] == list(NAMES)


def test_a_paid_answer_that_cannot_be_kept_is_shown_with_the_reason(session, tmp_path):
    session._kept.store.path = tmp_path / "missing" / "me.answers"
    paid = session.sql(COUNT, epsilon=0.1)
    assert paid.rows
    assert "cannot be written" in paid.receipt["not_kept"]
    assert any("not kept for later" in line for line in cost_lines(paid))


def test_without_a_folder_the_store_lives_as_long_as_the_session(session):
    session._kept = KeptAnswers(session._identity, session._declared)
    session.sql(COUNT, epsilon=0.1)
    assert is_free(session.sql(COUNT, epsilon=0.1))
    session._kept = KeptAnswers(session._identity, session._declared)
    assert not is_free(session.sql(COUNT, epsilon=0.1))


def test_a_kept_answer_needs_no_site(session, monkeypatch):
    paid = session.sql(COUNT, epsilon=0.1)
    monkeypatch.setattr(session, "_ask", None)
    assert session.sql(COUNT, epsilon=0.1).rows == paid.rows


@pytest.mark.slow
def test_combined_intervals_cover_as_often_as_they_say(session):
    """The whole path from opened integers: two releases of one count, 95 % of the intervals hold the truth."""
    planned = session._planned(COUNT, 0.1, exact=False, purpose="analysis")
    plan = planned.work.plan
    law = plan.blocks[0].sigma2_local * plan.context.n_sites
    truth, inside, runs = 920, 0, 400
    generator = np.random.Generator(np.random.PCG64(3))
    for _ in range(runs):
        session._kept = KeptAnswers(session._identity, session._declared)
        for number in (1, 2):
            value = truth * plan.blocks[0].weight + round(generator.normal(0, math.sqrt(law)))
            shares = [value.to_bytes(8, "little", signed=True), *[bytes(8)] * 3]
            receipt = {"number": number, "entry_hash": f"{number:064x}", "time": 0}
            session._kept.paid(planned, shares, receipt, session.consortium, fresh=True)
        answer = session.sql(COUNT, epsilon=0.1)
        assert len(answer.receipt["from_store"]["releases"]) == 2
        low, high = answer.interval_rows()[0][0]
        inside += low <= truth <= high
    assert stats.binomtest(inside, runs, 0.95).pvalue > 1e-6


def test_attack_a_block_of_an_earlier_table_version_is_never_used(session, monkeypatch):
    first = session.sql(COUNT, epsilon=0.1)
    monkeypatch.setattr(session._kept, "declared", lambda _: first.receipt["number"] + 1)
    again = session.sql(COUNT, epsilon=0.1)
    assert again.receipt["number"] > first.receipt["number"]
    assert "from_store" not in again.receipt


def test_a_laplace_release_is_kept_and_answers_what_has_no_less_noise(session):
    paid, before = session.sql(COUNT, epsilon=0.5, mechanism="laplace"), head(session)
    assert "not_kept" not in paid.receipt
    again = session.sql(COUNT, epsilon=0.5, mechanism="laplace")
    assert (head(session), is_free(again)) == (before, True)
    assert again.rows == paid.rows
    assert again.interval_rows() == paid.interval_rows()
    weaker = session.sql(COUNT, epsilon=0.5)  # Gaussian noise of this epsilon is three times as large
    assert (head(session), is_free(weaker)) == (before, True)
    assert weaker.interval_rows() == paid.interval_rows()
    (kept,) = session._kept.store.releases()
    (block,) = kept.blocks.values()
    assert block.law.scale is not None  # read back from the file
    better = session.sql(COUNT, epsilon=4)
    assert head(session) == before + 1
    assert "from_store" not in better.receipt  # nothing is mixed with another law
    assert session.sql(COUNT, epsilon=0.5, mechanism="laplace").rows == better.rows
