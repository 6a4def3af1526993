"""Cubes of a session: paid once, free questions, what they cannot answer, and who may use a stored one."""

import json
from dataclasses import replace

import pytest
from hospitals import BUDGET, NAMES, in_threads

from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.client.kept import kept_cubes
from federation.client.kept.kept_answers import KeptAnswers
from federation.client.questions import cubes
from federation.errors import ConfigError, PolicyRefusedError, SiteUnavailableError
from federation.identity.authority import in_memory_identity
from tests.federation.failures.test_federation_attacks import head

ASKED = {"dimensions": ["sex", "disease", "age"], "measures": ["COUNT(*)", "AVG(age)", "STDDEV(chol)"]}


@pytest.fixture(scope="module")
def world():
    with in_threads(budget=BUDGET | {"epsilon": "1000"}) as opened:
        yield opened


@pytest.fixture
def session(world, tmp_path, monkeypatch):
    """The session with an empty store in a file of its own."""
    monkeypatch.setattr(
        world, "_kept", KeptAnswers(replace(world._identity, path=tmp_path / "me.pem"), world._declared)
    )
    return world


@pytest.fixture(scope="module")
def cube(world):
    return world.cube("patients", **ASKED, epsilon=8)


QUESTIONS = (
    "SELECT COUNT(*) AS n FROM patients",
    "SELECT sex, COUNT(*) AS n, AVG(age) AS a, SUM(age) AS s FROM patients GROUP BY sex",
    "SELECT age, disease, COUNT(*) AS n FROM patients GROUP BY age, disease",
    "SELECT disease, sex, COUNT(*) AS n FROM patients GROUP BY disease, sex ORDER BY n DESC LIMIT 3",
    "SELECT sex, AVG(chol) AS c, STDDEV_SAMP(chol) AS d, COUNT(chol) AS k FROM patients GROUP BY sex",
    "SELECT COUNT(*) AS n FROM patients WHERE sex = 'F' OR NOT disease",
    "SELECT sex, COUNT(*) AS n FROM patients WHERE age >= 50 AND disease GROUP BY sex",
    "SELECT sex, disease, COUNT(*) AS n FROM patients WHERE age < 60 AND sex IN ('M') GROUP BY sex, disease",
    "SELECT COUNT(*) AS n FROM patients WHERE (age < 40 OR age >= 60) = disease",
)


@pytest.mark.parametrize("text", QUESTIONS)
def test_an_answer_of_the_cube_is_that_of_the_rows_within_its_error_and_free(cube, world, text):
    before = head(world)
    answer = cube.sql(text)
    assert head(world) == before
    rich = world.sql(text, epsilon=30, fresh=True)
    assert answer.columns == rich.columns
    if "LIMIT" not in text:
        for ours, theirs, own, other in zip(answer.rows, rich.rows, answer.errors, rich.errors, strict=True):
            for value, expected, error, another in zip(ours, theirs, own, other, strict=True):
                if error is None:
                    assert value == expected
                else:
                    assert abs(value - expected) < 6 * (error + another) + 1
    assert answer.receipt["from_store"]["free"]
    assert answer.cost["epsilon"] == "0"
    assert "free: made from your own releases of ledger entries" in str(answer)


def test_totals_are_sums_of_their_groups(cube):
    whole = cube.sql("SELECT COUNT(*) AS n FROM patients").rows[0][0]
    for text in ("sex", "disease", "age", "sex, age", "sex, disease, age"):
        rows = cube.sql(f"SELECT {text}, SUM(age) AS s, COUNT(*) AS n FROM patients GROUP BY {text}").rows
        figures = [row[-1] for row in rows]
        if min(figures) > 0:  # counts are shown in their public range, and rounded
            assert sum(figures) == pytest.approx(whole, abs=len(figures) / 2 + 0.5)


def test_chi_square_on_the_cube_is_free_and_finds_the_relation(cube, world):
    before = head(world)
    answer = cube.chi_square("sex", "disease")
    assert head(world) == before
    assert answer.pvalue < 0.01
    turned = cube.chi_square("disease", "sex")
    assert turned.statistic == pytest.approx(answer.statistic)
    assert answer.labels == (("F", "M"), ("False", "True"))
    assert answer.cost["epsilon"] == "0"


def test_the_same_cube_is_paid_once_and_listed(session):
    paid, before = session.cube("patients", **ASKED, epsilon=0.5), head(session)
    again = session.cube(
        "patients", dimensions=["disease", "age", "sex"], measures=["STDDEV(chol)", "SUM(age)"], epsilon="0.4"
    )
    assert head(session) == before
    assert (paid.cost["epsilon"], again.cost["epsilon"]) == ("0.5", "0")
    assert again.receipt["from_store"]["free"]
    assert not paid.receipt["from_store"]["free"]
    text = QUESTIONS[1]
    assert again.sql(text).rows == paid.sql(text).rows == session.released_cube().sql(text).rows
    (line,) = session.cubes()
    assert (line["number"], line["epsilon"], line["usable"]) == (paid.receipt["number"], "0.5", True)
    assert session.released_cube(line["number"]).dimensions == ("age", "sex", "disease")
    assert paid.marginals[0] == paid.dimensions
    assert "epsilon 0.5" in repr(paid)
    with pytest.raises(InvalidRequestError, match="is not in your store"):
        session.released_cube(10**6)


def test_a_finer_or_fresh_cube_is_paid_for_and_combined(session):
    poor = session.cube("patients", **ASKED, epsilon=0.5)
    before = head(session)
    rich = session.cube("patients", **ASKED, epsilon=1)
    assert head(session) == before + 1
    assert [each["number"] for each in rich.receipt["from_store"]["releases"]] == [
        poor.receipt["number"],
        rich.receipt["number"],
    ]
    fresh = session.cube("patients", **ASKED, epsilon=1, fresh=True)
    text = "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"
    one, both, alone = (each.sql(text).errors[0][1] for each in (poor, rich, fresh))
    assert 1 / both**2 == pytest.approx(1 / one**2 + 1 / alone**2)


def test_a_part_of_a_cube_is_another_cube(session):
    session.cube("patients", dimensions=["sex", "disease"], epsilon=1)
    before = head(session)
    session.cube("patients", dimensions=["sex"], epsilon=0.1)
    session.cube("patients", dimensions=["sex", "disease"], measures=["AVG(age)"], epsilon=0.1)
    assert head(session) == before + 2


def test_one_marginal_is_a_plain_group_by(world):
    for measure, text in (("COUNT(*)", "COUNT(*)"), ("AVG(age)", "COUNT(*), AVG(age)")):
        planned = world.explain_statistic("cube", ["sex"], [measure], table="patients", epsilon=1).to_dict()
        plain = world.explain(f"SELECT sex, {text} FROM patients GROUP BY sex", epsilon=1).to_dict()
        assert planned["cost"]["events"] == plain["cost"]["events"]
        assert planned["local_sql"] == plain["local_sql"]
    cube = world.cube("patients", dimensions=["sex"], epsilon=1)
    answer = cube.sql("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex")
    plain = world.sql("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", epsilon=1, fresh=True)
    for ours, theirs in zip(answer.errors, plain.errors, strict=True):
        assert ours[1] == pytest.approx(theirs[1])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT cp, COUNT(*) AS n FROM patients GROUP BY cp", "the cube holds dimensions age, sex, disease"),
        ("SELECT COUNT(*) AS n FROM patients WHERE chol > 240", "WHERE of this question names chol"),
        ("SELECT COUNT(*) AS n FROM patients WHERE age > 50", "tells apart numbers of one bin"),
        ("SELECT COUNT(*) AS n FROM patients WHERE age + 1 > 51", "tells apart numbers of one bin"),
        ("SELECT COUNT(*) AS n FROM patients WHERE age = 50", "inner edge of its bins: 40, 50, 60"),
        ("SELECT AVG(thalach) AS t FROM patients", "names thalach"),
        ("SELECT STDDEV_SAMP(age) AS t FROM patients", "not the sum of squares of .age."),
        ("SELECT AVG(age * age) AS t FROM patients", "the cube holds"),
        ("SELECT COUNT(*) AS n FROM visits", "unknown table"),
        ("DROP TABLE patients", "SELECT"),
    ],
)
def test_what_the_cube_does_not_hold_is_refused_with_what_it_holds(cube, text, reason):
    with pytest.raises(PlanRejectedError, match=reason):
        cube.sql(text)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"dimensions": []}, "list of different texts"),
        ({"dimensions": ["sex", "sex"]}, "list of different texts"),
        ({"dimensions": ["sex", "SEX"]}, "must be different columns"),
        ({"dimensions": ["nonesuch"]}, "unknown column"),
        ({"dimensions": "sex"}, "must be a list"),
        ({"dimensions": ["sex", "cp", "fbs", "exang", "disease", "age"]}, "at most 5"),
        ({"dimensions": ["sex"], "measures": ["MEDIAN(age)"]}, "cannot hold 'MEDIAN"),
        ({"dimensions": ["sex"], "measures": ["age"]}, "cannot hold 'age'"),
        ({"dimensions": ["sex"], "measures": ["SUM(cp)"]}, "must be numeric"),
        ({"dimensions": ["sex"], "measures": ["SUM(nonesuch)"]}, "unknown column"),
        ({"dimensions": ["sex"], "epsilon": 0}, "must be above 0"),
        ({"dimensions": ["sex"], "epsilon": None}, "must be given"),
        ({"dimensions": ["sex"], "fresh": "yes"}, "must be True or False"),
        ({"dimensions": ["sex"], "table": "visits"}, "not one of this consortium"),
    ],
)
def test_bad_input_is_refused_and_costs_nothing(world, asked, reason):
    before = head(world)
    with pytest.raises((InvalidRequestError, PlanRejectedError), match=reason):
        world.cube(**{"table": "patients", "epsilon": 1} | asked)
    assert head(world) == before


def test_a_cube_is_private_and_gaussian_alone(world):
    with pytest.raises(InvalidRequestError, match="must be private for a cube"):
        world.statistic("cube", ["sex"], table="patients", exact=True)
    with pytest.raises(InvalidRequestError, match="must be gaussian"):
        world.statistic("cube", ["sex"], table="patients", epsilon=1, mechanism="laplace")
    with pytest.raises(TypeError):
        world.cube("patients", dimensions=["sex"], epsilon=1, within=20)


def test_an_altered_store_refuses_before_the_charge(session, tmp_path):
    session.cube("patients", dimensions=["sex"], epsilon=1)
    path = tmp_path / "me.answers"
    path.write_bytes(path.read_bytes().replace(b'"epsilon":"1"', b'"epsilon":"9"'))
    before = head(session)
    with pytest.raises(ConfigError, match="was altered"):
        session.cube("patients", dimensions=["sex"], epsilon=1)
    with pytest.raises(ConfigError, match="was altered"):
        session.cubes()
    assert head(session) == before


@pytest.mark.parametrize("other", ["version", "analyst", "consortium"])
def test_a_cube_of_another_version_analyst_or_consortium_is_never_used(session, tmp_path, monkeypatch, other):
    paid, before = session.cube("patients", dimensions=["sex"], epsilon=1), head(session)
    if other == "version":
        monkeypatch.setattr(kept_cubes, "installed_version", lambda: "0.0.0")
    elif other == "analyst":
        stranger = in_memory_identity("eve", "analyst")
        monkeypatch.setattr(
            session, "_kept", KeptAnswers(replace(stranger, path=tmp_path / "me.pem"), session._declared)
        )
        with pytest.raises(ConfigError, match="another analyst's"):
            session.cube("patients", dimensions=["sex"], epsilon=1)
        assert head(session) == before
        return
    else:
        monkeypatch.setattr(type(session.consortium), "digest", lambda _self: "f" * 64)
        (line,) = session.cubes()
        assert not line["usable"]
        with pytest.raises(InvalidRequestError, match="another schema, consortium or version"):
            session.released_cube(paid.receipt["number"])
        return
    again = session.cube("patients", dimensions=["sex"], epsilon=1)
    assert head(session) == before + 1
    assert [each["number"] for each in again.receipt["from_store"]["releases"]] == [again.receipt["number"]]


def test_a_policy_refuses_a_cube_as_any_private_answer():
    policy = {"exact": False, "minimum_cell": 10, "largest_epsilon": "1"}
    with in_threads(names=NAMES[:3], policy=policy) as small, pytest.raises(PolicyRefusedError):
        small.cube("patients", dimensions=["sex"], epsilon=2)


def test_the_store_names_the_cube_for_people(session, tmp_path):
    session.cube("patients", dimensions=["sex"], epsilon=1)
    line = (tmp_path / "me.answers").read_bytes().splitlines()[1]
    about = json.loads(line[65:])["about"]
    assert about["kind"] == "released cube"
    assert json.loads(about["question"]) == {"dimensions": ["sex"], "measures": ["COUNT(*)"]}


def test_attack_a_cube_of_an_earlier_table_version_is_never_used(session, monkeypatch):
    first = session.cube("patients", **ASKED, epsilon=0.5)
    monkeypatch.setattr(session._kept, "declared", lambda _: first.numbers[0] + 1)
    again = session.cube("patients", **ASKED, epsilon=0.5)
    assert again.cost["epsilon"] != "0"
    assert again.numbers == (again.receipt["number"],)
    assert session.released_cube().numbers == again.numbers


def test_a_cube_that_is_paid_for_is_not_lost_where_no_site_says_the_version(session, monkeypatch):
    session.cube("patients", **ASKED, epsilon=0.25)

    def silent(_):
        raise SiteUnavailableError(site="cleveland", reason="it cannot be reached")

    monkeypatch.setattr(session._kept, "declared", silent)
    monkeypatch.setattr(cubes, "kept_cube", lambda *_, **__: None)
    paid = session.cube("patients", **ASKED, epsilon=0.5)
    assert paid.numbers == (paid.receipt["number"],)
    assert "not combined with earlier ones" in paid.receipt["not_kept"]
