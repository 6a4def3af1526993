"""Checks of a table that stays in its server: every result as of the rows read into the node; nothing is read for them."""

import datetime as dt
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.quality import running
from analytics.quality.running import check_table
from analytics.quality.thresholds import Thresholds, read_thresholds
from analytics.schema import Schema
from tests.sources.spark_cluster import values as spark_values

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TODAY = dt.date(2026, 11, 30)
TYPES = "pid text, age int, chol double precision, ill boolean, smoker int, stage text, seen date, ended timestamp"
COLUMNS = {
    "pid": {"type": "identifier"},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
    "chol": {"type": "numeric", "lower": 60, "upper": 620, "resolution": "0.5", "nullable": True},
    "ill": {"type": "boolean", "nullable": True},
    "smoker": {"type": "boolean"},
    "stage": {"type": "categorical", "domain": ["I", "II", "III"], "nullable": True},
}
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "patients": {
                "privacy_unit": "pid",
                "max_rows_per_unit": 2,
                "rows_max": 1000,
                "exact_dimensions": [],
                "columns": COLUMNS,
            }
        }
    }
)
RULES = """version = 1
[tables.patients.columns.age]
low = 18
placeholder = 0.01
[tables.patients.dates.seen]
earliest = 2000-01-01
newest_within_days = 400
[tables.patients.dates.ended]
after = "seen"
"""
DATES = st.dates(dt.date(1990, 1, 1), dt.date(2027, 12, 31))
ROWS = st.lists(
    st.tuples(
        st.one_of(
            st.none(), st.sampled_from(["a1", "A1", "a 1", "7", "07", "7.0", "", "unknown", "B2", "x"])
        ),
        st.one_of(st.none(), st.sampled_from([0, 9, 99, 999, -1, 17, 121, 455]), st.integers(-500, 500)),
        st.one_of(
            st.none(),
            st.sampled_from([0.0, 99.0, 999.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 59.9, 620.25]),
            st.floats(50, 700, width=32),
        ),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.integers(-1, 3)),
        st.one_of(st.none(), st.sampled_from(["I", "II", "III", " II ", "ii", "IV", "", "  "])),
        st.one_of(st.none(), DATES),
        st.one_of(st.none(), st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2027, 12, 31))),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def thresholds(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "quality.toml"
    path.write_text(RULES)
    return read_thresholds(path, SCHEMA)


@pytest.fixture(scope="module")
def checked(server):
    server.run(f"CREATE TABLE research.checked ({TYPES})")
    return server


def card_of(server, engine, rules, table=SCHEMA.tables["patients"], **changes):
    return check_table(server.spec("research.checked", engine=engine, **changes), table, rules, today=TODAY)


def told(card):
    """All that an administrator sees; the SQL behind it differs."""
    rows = [
        (
            each.check.type,
            each.check.column,
            each.check.what,
            each.state,
            each.rows,
            each.violating,
            each.reason,
        )
        for each in card.results
    ]
    return card.rows, card.columns, rows


@given(rows=ROWS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_result_is_that_of_rows_in_the_node(checked, thresholds, rows):
    with checked.session() as session, session.cursor() as cursor:
        cursor.execute("TRUNCATE research.checked")
        cursor.executemany(f"INSERT INTO research.checked VALUES ({', '.join(['%s'] * 8)})", rows)
    for rules in (Thresholds(), thresholds):
        there, here = card_of(checked, "postgresql", rules), card_of(checked, "", rules)
        assert told(there) == told(here)


@pytest.fixture
def few(checked):
    checked.run(
        "TRUNCATE research.checked",
        "INSERT INTO research.checked SELECT 'p' || n, CASE WHEN n % 9 = 0 THEN 999 ELSE 40 + n % 30 END, 200, TRUE, 1, 'I', "
        "DATE '2026-01-01', NULL FROM generate_series(1, 90) AS many(n)",
    )
    return checked


def test_no_row_is_read_into_the_node(few, monkeypatch):
    def refused(*_arguments, **_named):
        raise AssertionError("the node read the rows")

    monkeypatch.setattr(running, "inspected", refused)
    card = card_of(few, "postgresql", Thresholds())
    assert card.rows == 90
    failed = [each.check.type.name for each in card.results if str(each.state) == "failed"]
    assert "plausibleValueHigh" in failed


def test_what_needs_more_than_comparing_is_read_into_the_node(few, tmp_path, monkeypatch):
    (tmp_path / "quality.toml").write_text(
        'version = 1\n[tables.patients.rules.adult]\nexpression = "age >= 18"\nmost = 0\n'
    )
    rules = read_thresholds(tmp_path / "quality.toml", SCHEMA)
    real, opened = running.inspected, []
    monkeypatch.setattr(running, "inspected", lambda *given, **more: opened.append(1) or real(*given, **more))
    assert told(card_of(few, "postgresql", rules)) == told(card_of(few, "", rules))
    assert len(opened) == 2


def test_a_column_that_the_server_cannot_clean_has_the_reason_for_which_questions_are_refused(few):
    table = SCHEMA.tables["patients"]
    few.run("ALTER TABLE research.checked ALTER age TYPE text")
    try:
        card = card_of(few, "postgresql", Thresholds())
        reasons = [each.check.what for each in card.results if each.check.column == "age"]
        assert "the column is no number in the server: cast it in a view there" in reasons
        assert len(card.results) > len(reasons)
        view = "SELECT pid, age::int AS age, chol, ill, smoker, stage, seen, ended FROM source"
        assert card_of(few, "postgresql", Thresholds(), view=view).rows == 90
        wrong = card_of(few, "postgresql", Thresholds(), view=view.replace("chol", "cholesterol"))
        assert [each.check.reason for each in wrong.results][0].startswith(
            "the site's view cannot be computed"
        )
    finally:
        few.run("ALTER TABLE research.checked ALTER age TYPE int USING age::int")
    assert table is SCHEMA.tables["patients"]


def test_one_check_that_fails_in_the_server_leaves_the_others(few):
    view = "SELECT pid, age, chol, ill, smoker, stage, seen, (seen + (age || ' years')::interval)::timestamp AS ended FROM source"
    few.run("UPDATE research.checked SET age = 2000000000 WHERE pid = 'p1'")
    card = card_of(few, "postgresql", Thresholds(), view=view)
    assert {str(each.state) for each in card.results} >= {"error"}


SOME = [
    ("a1", 40, 200.0, True, 1, "I", dt.date(2026, 1, 1), dt.datetime(2026, 2, 1)),
    ("A1", 999, 59.0, None, 3, "IV", dt.date(2027, 1, 1), dt.datetime(2026, 2, 1)),
    ("07", 999, None, False, 0, "", None, None),
    ("7", 999, 61.0, False, 0, "III", dt.date(1995, 1, 1), dt.datetime(1994, 2, 1)),
    ("unknown", None, 620.0, True, None, None, dt.date(2020, 1, 1), None),
    *((f"p{n % 9}", 30 + n, 100.0 + n, True, 1, "II", dt.date(2024, 1, 1), None) for n in range(30)),
]


@pytest.mark.timeout(600)
def test_in_spark_every_result_is_that_of_rows_in_the_node(cluster, thresholds):
    body = "pid STRING, age INT, chol DOUBLE, ill BOOLEAN, smoker INT, stage STRING, seen DATE, ended TIMESTAMP_NTZ"
    cluster.made("checked", body, spark_values(SOME))
    table = SCHEMA.tables["patients"]
    for rules in (Thresholds(), thresholds):
        there, here = (
            check_table(cluster.spec("research.checked", engine=engine), table, rules, today=TODAY)
            for engine in ("spark", "")
        )
        assert told(there) == told(here)
        assert any(str(each.state) == "failed" for each in there.results)
