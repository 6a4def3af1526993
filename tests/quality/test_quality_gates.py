"""Requirements of a policy: refused before the charge until a release that all sites saw shows them, and no more told."""

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import crossward
from analytics.statistics.profiles.quality_answer import ColumnQuality, QualityAnswer
from crossward.errors import InvalidRequestError, PlanRejectedError, PolicyRefusedError
from federation.consortium.consortium_model import Floor
from federation.consortium.site_file import Policy
from federation.errors import ConfigError
from federation.node.admission.quality_gates import QualityGates
from federation.training.task import TrainingTask

NAMES = ("north", "south", "west")
COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
    "chol": {"type": "numeric", "lower": 60, "upper": 620, "resolution": 1, "nullable": True},
    "ill": {"type": "boolean"},
}
PATIENTS = {
    "privacy_unit": "row",
    "rows_max": 1000,
    "max_sites_per_unit": 1,
    "exact_dimensions": ["ill"],
    "columns": COLUMNS,
}
SCHEMA = {"tables": {"patients": PATIENTS}}
BUDGET = {"epsilon": "60", "query": {"share": "0.5"}, "training": {"share": "0.5"}}
QUESTION = "SELECT AVG(chol) AS mean FROM patients"
TASK = TrainingTask(
    table="patients",
    features=["age"],
    target="ill",
    epsilon=1,
    rounds=1,
    expected_units=1000,
    aggregation="shares",
)


def hospital(number):
    draws = np.random.default_rng(number)
    chol = draws.integers(150, 300, 400).astype(float)
    chol[: (200, 300, 100)[number]] = np.nan  # half of all 1200
    return pd.DataFrame({"age": draws.integers(20, 90, 400), "chol": chol, "ill": draws.random(400) < 0.5})


@contextmanager
def opened(rules, **settings):
    frames = {name: hospital(number) for number, name in enumerate(NAMES)}
    policy = {"require": {"patients": rules}} if rules else {}
    with crossward.local(frames, schema=SCHEMA, policy=policy, engine="numpy", **settings) as session:
        yield session


@pytest.fixture
def session():
    with opened(["completeness(chol) >= 0.4", "validity(chol) >= 0.9"], budget=BUDGET) as found:
        yield found


def spent(session):
    return [row["spent"] for row in session.budget_rows()]


def refusal(ask):
    with pytest.raises(PolicyRefusedError) as caught:
        ask()
    return str(caught.value)


@contextmanager
def policy_of(session, names, rules):
    admissions = [session.nodes[name]._admission for name in names]
    before = [each.policy for each in admissions]
    for each in admissions:
        each.policy = each.policy.model_copy(update={"require": {"patients": rules}})
    try:
        yield
    finally:
        for each, policy in zip(admissions, before, strict=True):
            each.policy = policy


def test_a_question_is_refused_before_its_charge_until_a_release_shows_the_requirement(session):
    table, before = session.table("patients"), spent(session)
    for ask in (
        lambda: session.sql(QUESTION, epsilon=1),
        lambda: session.sql("SELECT COUNT(*) AS n FROM patients", exact=True),
        lambda: table.quality(
            ["chol"], epsilon=1
        ),  # the analyst alone sees this one: no site can decide by it
        lambda: table.site_drift("ill", exact=True),
    ):
        assert "completeness(chol) >= 0.4 of patients is not decided" in refusal(ask)
    assert spent(session) == before
    answer = table.quality(["chol"], epsilon=1, for_sites=True)
    low, high = answer.interval(0.999999)["chol"]["completeness"]
    assert low < 0.5 < high
    assert spent(session) != before
    assert session.sql(QUESTION, epsilon=1).to_dict()
    assert session.sql("SELECT COUNT(*) AS n FROM patients", exact=True).to_dict()
    seen = {json.dumps(each.to_dict()["columns"]) for each in [answer]}
    for name in NAMES:  # every site has seen what the analyst has, and nothing besides
        kept = session.nodes[name]._admission.gates._seen["patients"]["chol"]
        assert QualityAnswer.to_dict(kept.as_answer("chol"))["columns"] == json.loads(next(iter(seen)))


def test_a_requirement_that_the_figures_do_not_show_refuses_at_every_site_that_has_it(session):
    session.table("patients").quality(["chol"], epsilon=2, for_sites=True)
    before = spent(session)
    with policy_of(session, ["south"], ["completeness(chol) >= 0.9"]):  # the union of what sites require
        told = refusal(lambda: session.sql(QUESTION, epsilon=1, fresh=True))
    assert "policy.require: completeness(chol) >= 0.9 of patients is not met: the release of entry" in told
    assert "south" in told
    assert spent(session) == before


def test_a_training_waits_for_the_same_release():
    with opened(["completeness(chol) >= 0.4"], budget=BUDGET) as session:
        before = spent(session)

        def train():
            return session.train(TASK)

        assert "is not decided" in refusal(train)
        assert spent(session) == before
        session.table("patients").quality(["chol"], epsilon=1, for_sites=True)
        assert train() is not None


def test_attack_thresholds_moved_after_the_release_tell_what_was_released_and_no_more(session):
    """A site that moves its threshold finds by bisection the end of the interval that it has seen: nothing of its rows."""
    answer = session.table("patients").quality(["chol"], epsilon=3, for_sites=True)
    gates = session.nodes["west"]._admission.gates
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        rules = Policy(require={"patients": [f"completeness(chol) >= {middle:.12f}"]})
        try:
            gates.check("patients", rules)
        except PolicyRefusedError:
            high = middle
        else:
            low = middle
    own_end = answer.columns["chol"].completeness_between(0.9)[0]
    assert low == pytest.approx(own_end, abs=1e-6)
    assert abs(low - 0.75) > 0.1  # the site's own share
    before = spent(session)
    gates.check("patients", Policy(require={"patients": ["completeness(chol) >= 0.1"]}))
    assert spent(session) == before


def test_attack_a_site_that_changes_its_rows_after_the_release_changes_no_decision(session):
    """The decision is a function of the release: other rows, and one person more, leave it as it was."""
    session.table("patients").quality(["chol"], epsilon=1, for_sites=True)
    gates = session.nodes["north"]._admission.gates
    kept = dict(gates._seen["patients"])
    session.nodes["north"]._sources["patients"].close()
    gates.check("patients", Policy(require={"patients": ["completeness(chol) >= 0.3"]}))
    assert dict(gates._seen["patients"]) == kept


def test_sites_see_no_exact_figures_and_none_where_no_site_may_collude():
    with opened([]) as session:
        with pytest.raises(InvalidRequestError, match="needs an epsilon"):
            session.table("patients").quality(["chol"], exact=True, for_sites=True)
        shown = session.table("patients").explain("quality", ["chol"], epsilon=1, for_sites=True)
        assert shown.to_dict()["steps"][0]["opened_to"] == "sites"
        plain = session.table("patients").explain("quality", ["chol"], epsilon=1)
        assert plain.to_dict()["steps"][0]["opened_to"] == "analyst"
    with (
        opened([], colluding=0) as session,
        pytest.raises(PlanRejectedError, match="takes its own part of the noise away"),
    ):
        session.table("patients").quality(["chol"], epsilon=1, for_sites=True)


# -- one site's memory of releases ---------------------------------------------------------------------------


class Work:
    """A release of given figures."""

    table = SimpleNamespace(name="patients")

    def __init__(self, rows, missing, sd):
        column = ColumnQuality(rows=rows, missing=missing, invalid=0.0, sd=sd)
        self.answer = QualityAnswer(columns={"chol": column}, n_rows=rows)

    def quality_seen(self, values):
        del values
        return self.answer


def release(rows, missing, sd):
    return SimpleNamespace(work=Work(rows, missing, sd))


def gates_of(folder=None, *, configuration="a", names=NAMES, declared=0):
    return QualityGates(
        site="north",
        consortium=SimpleNamespace(configuration=lambda: configuration, names=names),
        replica=SimpleNamespace(
            core=SimpleNamespace(
                state=SimpleNamespace(tables={"patients": (2, declared)} if declared else {})
            )
        ),
        folder=folder,
    )


def is_met(gates, text="completeness(chol) >= 0.5"):
    try:
        gates.check("patients", Policy(require={"patients": [text]}))
    except PolicyRefusedError:
        return False
    return True


def test_attack_a_release_is_not_repeated_until_its_noise_is_lucky():
    gates = gates_of()
    gates.keep(release(1000, 900, 10), 1, b"")
    assert not is_met(gates)
    for number in range(2, 40):  # as accurate, or less: the first stays
        gates.keep(release(1000, 100, 10 + number % 2), number, b"")
        assert not is_met(gates)
    gates.keep(release(1000, 100, 5), 40, b"")  # a dearer one decides anew
    assert is_met(gates)


def test_attack_a_release_is_not_repeated_with_a_little_less_noise_until_it_is_lucky():
    """Each of many slightly dearer releases had a chance of one in twenty to pass what the rows do not hold."""
    gates = gates_of()
    gates.keep(release(1000, 900, 10), 1, b"")
    for number in range(2, 40):
        gates.keep(release(1000, 100, 10 - number / 10), number, b"")
    assert not is_met(gates)


def test_attack_releases_that_reach_sites_in_another_order_decide_alike():
    """Releases that run at once are kept in any order; every site decides by the same one."""
    every = [(release(1000, 900, 10), 1), (release(1000, 100, 9), 2), (release(1000, 800, 5), 3)]
    for size in (2, 3):
        for order in permutations(every[:size]):
            gates = gates_of()
            for each, number in order:
                gates.keep(each, number, b"")
            assert gates._seen["patients"]["chol"].number == (1, 3)[size - 2]


def test_releases_outlive_a_restart_and_end_with_the_agreement_the_members_and_the_tables_version(tmp_path):
    gates_of(tmp_path).keep(release(1000, 100, 5), 7, b"")
    assert is_met(gates_of(tmp_path))
    assert (tmp_path / "quality.json").stat().st_mode & 0o777 == 0o600
    assert not is_met(gates_of(tmp_path, configuration="b"))
    assert not is_met(gates_of(tmp_path, names=(*NAMES, "east")))
    assert not is_met(gates_of(tmp_path, declared=8))
    assert is_met(gates_of(tmp_path, declared=6))
    newer = gates_of(tmp_path, declared=8)
    newer.keep(release(1000, 50, 50), 9, b"")  # with more noise, and of the present rows
    assert is_met(newer)
    for text in (
        "",
        "[]",
        '{"configuration": "a"}',
        '{"configuration":"a","members":["north","south","west"]}',
    ):
        (tmp_path / "quality.json").write_text(text)
        assert not is_met(gates_of(tmp_path))


# -- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules",
    [["chol > 3"], [], ["completeness(chol) >= 2"], "completeness(chol) >= 0.5", ["speed(chol) >= 0.5"]],
)
def test_a_requirement_of_another_form_is_no_policy(rules):
    with pytest.raises(ValueError, match="require"):
        Policy(require={"patients": rules})


@pytest.mark.parametrize(
    ("require", "text"),
    [
        ({"patients": ["completeness(cholesterol) >= 0.5"]}, "unknown column cholesterol"),
        ({"visits": ["completeness(chol) >= 0.5"]}, "policy.require.visits: there is no such table"),
    ],
)
def test_a_requirement_on_what_is_not_there_keeps_the_site_from_starting(require, text):
    frames = {name: hospital(number) for number, name in enumerate(NAMES)}
    with pytest.raises(ConfigError, match=text):
        crossward.local(frames, schema=SCHEMA, policy={"require": require}, engine="numpy")


def test_explain_shows_what_the_agreement_requires_and_preflight_what_every_site_does():
    with opened(["completeness(chol) >= 0.4"]) as session:
        found = str(session.preflight(QUESTION, epsilon=1))
        assert "completeness(chol) >= 0.4 of patients is not decided" in found
        agreed, floor = session.consortium, Floor(require={"patients": ["validity(chol) >= 0.9"]})
        session.consortium = replace(agreed, file=agreed.file.model_copy(update={"floor": floor}))
        shown = session.explain(QUESTION, epsilon=1)
        assert shown.to_dict()["requires"] == ["validity(chol) >= 0.9"]
        assert "the agreement requires of the data first: validity(chol) >= 0.9" in str(shown)
        table = session.table("patients")
        assert "requires" not in table.explain("quality", ["chol"], epsilon=1, for_sites=True).to_dict()
