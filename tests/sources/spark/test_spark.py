"""A table in a real Spark cluster of two workers: the same answers as in the node, or a refusal when it is opened."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import CellRules, open_table
from analytics.statistics.blocks import MISSING
from tests.analytics import sql_grammar as grammar
from tests.analytics.sources.test_analytics_scans import ARGUMENTS, LAW, check_law, planned, schema_of
from tests.sources.spark_cluster import values
from tests.sources.test_format_contract import COLUMNS, KEY, rows, table_of
from tests.sources.writers import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TYPES = "pid STRING, n INT, price DECIMAL(8,2), code BIGINT, day DATE, flag BOOLEAN, word STRING"
CANARY = "CANARY73519"


@pytest.fixture(scope="module")
def visits(cluster):
    cluster.made("visits", TYPES, values(ROWS))
    cluster.run(
        "CREATE OR REPLACE VIEW research.plain AS SELECT btrim(pid) AS pid, n, price, code, day, flag, word FROM research.visits"
    )
    return cluster


def number(**changes: object) -> dict:
    return {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1} | changes


def opened(cluster, relation: str, columns: dict | None = None, table: dict | None = None, **changes: object):
    return open_table(
        cluster.spec(relation, **changes), table_of(columns, **(table or {})), site_key=KEY, threads=1
    )


# -- equal answers -------------------------------------------------------------------------------------------------


def test_the_node_reads_the_same_rows_as_from_every_kind_of_file(visits) -> None:
    assert rows(opened(visits, "research.visits", engine="")) == [
        (40, 125, 1, 1, True, 0, 1),
        (0, 9999, 0, 0, False, 1, 2),
        (100, None, None, None, None, None, 2),
        (None, 0, None, None, None, None, 3),
    ]


def test_a_table_that_stays_has_the_same_rows_and_the_same_report(visits) -> None:
    with opened(visits, "research.plain") as there, opened(visits, "research.plain", engine="") as here:
        names = list(COLUMNS)
        assert sorted(there.every_row(names).tolist()) == sorted(here.every_row(names).tolist())
        assert sorted(there.complete_cases(["n", "flag"]).tolist()) == sorted(
            here.complete_cases(["n", "flag"]).tolist()
        )
        assert there.report == here.report
        assert there.engine.version.startswith("Spark ")


def test_a_folder_of_parquet_files_on_the_cluster(visits) -> None:
    path = visits.folder / "visits.parquet"
    visits.session().sql("SELECT * FROM research.plain").write.mode("overwrite").parquet(str(path))
    for engine in ("", "spark"):
        with opened(visits, f"parquet:{path}", engine=engine) as there:
            assert there.report.rows_read == len(ROWS)
            assert sorted(row[1] for row in there.every_row(["n"]).tolist())[1:] == [0, 40, 100]


@pytest.fixture(scope="module")
def corners(cluster):
    """The corners of the domain of the grammar's columns, in the cluster."""
    found = grammar.rows()
    body = "pid BIGINT, w BIGINT, f DOUBLE, m DECIMAL(8,2), d BOOLEAN, k STRING, c BIGINT"
    cells = [
        (
            place,
            row["w"] and int(row["w"]),
            None if row["f"] is None else float(row["f"]),
            row["m"] and Decimal(row["m"].numerator) / row["m"].denominator,
            row["d"],
            row["k"],
            row["c"],
        )
        for place, row in enumerate(found)
    ]
    parts = [values(cells[start : start + 500]) for start in range(0, len(cells), 500)]
    relation = cluster.made("corners", body, *parts)
    schema = schema_of(grammar.COLUMNS)
    with open_table(cluster.spec(relation), schema.tables["t"], site_key=KEY) as source:
        yield schema, found, source


@settings(max_examples=40, **LAW)
@given(*ARGUMENTS)
def test_law_no_row_makes_a_planned_scan_fail_and_sums_are_exact(
    corners, tree, other, where, grouped
) -> None:
    """P5 in the cluster: any plan over the corners of its domain, against plain fractions."""
    check_law(corners, tree, other, where, grouped)


SQL = (
    "SELECT COUNT(*), COUNT(DISTINCT pid), SUM(n), AVG(price), VAR_SAMP(price) FROM t",
    "SELECT flag, word, COUNT(*), AVG(n * n) FROM t WHERE n > 20 OR word IS NULL GROUP BY flag, word",
    "SELECT day, SUM(CASE WHEN flag THEN n ELSE 2 END), COUNT(n) FROM t WHERE NOT (code = '9007199254740993') GROUP BY day",
)


@pytest.mark.parametrize("sql", SQL)
def test_questions_have_equal_figures_in_both_engines(visits, sql: str) -> None:
    schema = Schema.from_dict({"tables": {"t": table_of().to_dict() | {"columns": dict(COLUMNS)}}})
    plan = planned(sql, schema)
    with opened(visits, "research.plain") as there, opened(visits, "research.plain", engine="") as here:
        assert there.local_figures(plan, 60).tolist() == here.local_figures(plan, 60).tolist()
        assert any(there.local_figures(plan, 60))


def test_rows_without_a_privacy_unit_are_numbered(visits) -> None:
    with opened(
        visits, "research.plain", {"n": number()}, {"privacy_unit": "row", "max_rows_per_unit": 1}
    ) as there:
        found = there.every_row(["n"])
        assert sorted(found[:, 0].tolist()) == [1, 2, 3, 4, 5]
        assert sorted(found[:, 1].tolist()) == sorted([MISSING, 0, 40, 41, 100])


def test_rounding_bounds_and_values_that_are_not_finite_are_those_of_the_node(cluster) -> None:
    found = [0.25, 0.75, 1.25, 2.675, 99.75, 100.0, 100.0000001, -0.0000001, 0.0, -0.0, 1e300, -1e300]
    found += [0.1 + 0.2, 49.999999999999996, float("nan"), float("inf"), float("-inf"), None]
    for kind in ("DOUBLE", "DECIMAL(20,10)", "FLOAT"):
        kept = [each for each in found if each is None or kind == "DOUBLE" or abs(each) < 1e10]
        relation = cluster.made("rounded", "pid INT, n DOUBLE", values(enumerate(kept)))
        view = f"SELECT pid, CAST(n AS {kind}) AS n FROM source"
        cluster.run(f"CREATE OR REPLACE VIEW research.kinds AS {view.replace('source', relation)}")
        for upper, resolution in ((100, "0.5"), (99, "0.03"), (100, 1), (100, 4)):
            columns = {"n": number(upper=upper, resolution=resolution)}
            rules = CellRules(most_misfits=1)
            with (
                opened(
                    cluster, "research.kinds", columns, {"rows_max": 1000}, cells=rules, engine=""
                ) as here,
                opened(cluster, "research.kinds", columns, {"rows_max": 1000}, cells=rules) as there,
            ):
                assert sorted(there.every_row(["n"]).tolist()) == sorted(here.every_row(["n"]).tolist())
                assert there.report.columns == here.report.columns


WORDS = [
    "a",
    "ä",
    "it's",
    "back\\slash",
    'double"quote',
    "\\u0061",
    "%_",
    "张 Zoë",
    "2020-05",
    "2020",
    "1d",
    "true",
]


def test_words_of_a_domain_are_compared_by_their_letters_whatever_the_collation(cluster) -> None:
    cells = [*WORDS, "A", "Ä", " a ", "", "  ", None, "a\n", "2020-05-01", "1", "1.0", "TRUE", "a\u0308"]
    relation = cluster.made("words", "pid INT, word STRING COLLATE UTF8_LCASE", values(enumerate(cells, 100)))
    columns = {"word": {"type": "categorical", "domain": WORDS}}
    with (
        opened(cluster, relation, columns, cells=CellRules(most_misfits=1)) as there,
        opened(cluster, relation, columns, cells=CellRules(most_misfits=1), engine="") as here,
    ):
        found = there.every_row(["word"]).tolist()
        assert [row[1] for row in found[: len(WORDS)]] == list(range(len(WORDS)))
        assert sorted(found) == sorted(here.every_row(["word"]).tolist())
        assert there.report.columns == here.report.columns


def test_partial_dates_stay_texts_and_times_have_one_zone(cluster) -> None:
    """Spark's own cast would make 2020-05-01 of 2020-05, and a day of a moment by the session's zone."""
    relation = cluster.made(
        "dates",
        "pid INT, day STRING, at TIMESTAMP_NTZ, born DATE, whole TIMESTAMP_NTZ",
        "(1, '2020-05', TIMESTAMP_NTZ'2020-05-01 23:30:00.5', DATE'2020-05-01', TIMESTAMP_NTZ'2020-05-01 00:00:00'), "
        "(2, '2020-05-01', TIMESTAMP_NTZ'2020-05-01 23:30:00', DATE'1600-02-29', TIMESTAMP_NTZ'2020-05-02 00:00:00')",
    )
    columns = {
        "day": {"type": "categorical", "domain": ["2020-05", "2020-05-01"]},
        "at": {"type": "categorical", "domain": ["2020-05-01 23:30:00", "2020-05-01 23:30:00.5"]},
        "born": {"type": "categorical", "domain": ["1600-02-29", "2020-05-01"]},
        "whole": {"type": "categorical", "domain": ["2020-05-01", "2020-05-02"]},
    }
    for engine in ("", "spark"):
        with opened(cluster, relation, columns, engine=engine) as there:
            assert there.every_row(list(columns)).tolist() == [[1, 0, 1, 1, 0], [2, 1, 0, 0, 1]]


def test_integers_of_every_width_and_truth_values(cluster) -> None:
    body = "pid BIGINT, a TINYINT, b SMALLINT, c BIGINT, d BOOLEAN, e INT"
    big = 2**53 + 1
    relation = cluster.made(
        "widths",
        body,
        f"({big}, 1, 2, {big}, true, 1), ({big - 1}, -1, 3, {big - 1}, NULL, 0), (5, NULL, 2, 7, false, 9)",
    )
    columns = {
        "a": number(lower=-1),
        "b": {"type": "categorical", "domain": [2, 3]},
        "c": {"type": "categorical", "domain": [str(big - 1), str(big)]},
        "d": {"type": "boolean"},
        "e": {"type": "boolean"},
    }
    with opened(cluster, relation, columns, cells=CellRules(most_misfits=1)) as there:
        assert there.every_row(list(columns)).tolist() == [
            [1, MISSING, 0, MISSING, 0, MISSING],
            [2, -1, 1, 0, MISSING, 0],
            [3, 1, 0, 1, 1, 1],
        ]


# -- refused when it is opened -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "cells", "column", "reason"),
    [
        ("pid INT, n STRING", "(1, '2')", number(), "column n: is no number in the server"),
        ("pid INT, n TIMESTAMP", "(1, current_timestamp())", number(), "column n: was read as a date or time"),
        ("pid INT, n TIMESTAMP", "(1, current_timestamp())", {"type": "categorical", "domain": ["x"]}, "column n: was read as a date or time"),
        ("pid INT, n DATE", "(1, current_date())", number(), "column n: was read as a date or time"),
        ("pid INT, n DECIMAL(9,2)", "(1, 2)", {"type": "categorical", "domain": ["2"]}, "column n: is a fraction in the server"),
        ("pid INT, n STRING", "(1, '2')", {"type": "categorical", "domain": [2]}, "column n: is a text in the server, and integers"),
        ("pid INT, n STRING", "(1, 'yes')", {"type": "boolean"}, "column n: is neither boolean nor integer"),
        ("pid INT, n BINARY", "(1, X'00')", {"type": "categorical", "domain": ["x"]}, "column n: is neither text"),
        ("pid INT, n ARRAY<INT>", "(1, array(1))", {"type": "categorical", "domain": ["x"]}, "column n: is neither text"),
        ("pid DOUBLE, n INT", "(1, 1)", number(), "column pid: must be an integer, a UUID or a text"),
        ("pid STRING, n INT", "('Zoë', 1)", number(), "column pid: holds blanks at the ends, or letters beyond"),
        ("pid STRING, n INT", "('a\\n', 1)", number(), "column pid: holds blanks at the ends, or letters beyond"),
        ("pid STRING, n INT", "('a ', 1)", number(), "column pid: holds blanks at the ends, or letters beyond"),
        ("pid INT, n INT", "(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)", number(), "column pid: one identifier has more rows"),
        ("pid STRING, n INT", "(NULL, 1), ('n/a', 1)", number(), "column pid: no row has a privacy unit"),
        ("pid INT, other INT", "(1, 1)", number(), "column n: is missing from the site's view"),
        ("pid INT, n INT", "(1, 1), (2, 2)", {"type": "categorical", "domain": ["x"]}, "column n: none of its values is in the domain"),
    ],
)  # fmt: skip
def test_what_only_the_node_can_clean_is_refused(
    cluster, body: str, cells: str, column: dict, reason: str
) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        opened(cluster, cluster.made("refused", body, cells), {"n": column})
    assert reason in str(caught.value)


def test_near_duplicates_are_counted_as_in_the_node(cluster) -> None:
    found = ("007", "7", "7.0", "AB 1", "ab1", "b")
    relation = cluster.made("near", "pid STRING, n INT", values((each, 1) for each in found))
    with (
        opened(cluster, relation, {"n": number()}) as there,
        opened(cluster, relation, {"n": number()}, engine="") as here,
    ):
        assert there.report == here.report
        assert there.report.near_duplicates == 5


def test_what_is_missing_is_named_for_the_administrator(visits) -> None:
    empty = visits.folder / "empty"
    empty.mkdir()
    broken = visits.folder / "broken"
    broken.mkdir()
    (broken / "a.parquet").write_text(CANARY)
    for relation, reason in (
        ("nothing.t", "the catalogue has no schema nothing"),
        ("research.visitors", "the schema research has no table or view visitors"),
        ("visits", "the schema default has no table or view visits"),
        ("other.research.visits", "the catalogue has no schema other.research|cannot be read"),
        (f"parquet:{visits.folder}/none", "the cluster has no such path"),
        (f"parquet:{empty}", "no Parquet file below this path"),
        (f"parquet:{broken}", r"cannot be read \(FAILED_READ_FILE"),
    ):
        for engine in ("", "spark"):
            with pytest.raises(SchemaMismatchError, match=reason) as caught:
                opened(visits, relation, engine=engine)
            assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        ("SELECT pid,\n agee AS n FROM source", r"there is no column agee \(first at 2:2\)"),
        ("SELECT pid, n FROM visitors", r"there is no table visitors \(first at 1:20\)"),
        ("SELECT pid, lenn(pid) AS n FROM source", r"there is no function lenn \(first at 1:13\)"),
        ("SELECT pid, FROM WHERE n FROM source", r"it is not valid SQL near|over this source"),
        ("SELECT pid, 1 / (n - n) AS n FROM source", r"over this source \(DIVIDE_BY_ZERO\)"),
        (
            f"SELECT pid, CAST('{CANARY}' || pid AS INT) AS n FROM source",
            r"over this source \(CAST_INVALID_INPUT\)",
        ),
        ("SELECT pid, CAST(n AS TINYINT) AS n FROM source", r"over this source \(CAST_OVERFLOW\)"),
        ("DELETE FROM source", "the site's view cannot be computed"),
        ("SELECT 1) AS x; DROP TABLE research.visits --", "the site's view cannot be computed"),
    ],
)
def test_a_view_with_a_mistake_is_named_with_its_place(visits, view: str, reason: str, capfd) -> None:
    """PySpark's own log of a statement's error quotes the cell: nothing of it may reach this process's output."""
    with pytest.raises(SchemaMismatchError, match=reason) as caught:
        opened(visits, "research.plain", {"n": number()}, view=view)
    written = "".join(capfd.readouterr())
    assert CANARY not in str(caught.value)
    assert CANARY not in written
    assert "SQLQueryContextLogger" not in written
    assert visits.session().sql("SELECT count(*) AS n FROM research.visits").toArrow().to_pylist() == [
        {"n": 5}
    ]


def test_a_view_in_the_clusters_own_sql(visits) -> None:
    view = "SELECT pid, try_cast(CASE WHEN n > 40 THEN NULL ELSE n END AS INT) AS n FROM source -- all others"
    with opened(visits, "research.plain", {"n": number()}, view=view) as there:
        assert sorted(row[1] for row in there.every_row(["n"]).tolist()) == [MISSING, MISSING, 0, 40]


def test_words_for_missing_are_for_a_view_there(visits) -> None:
    with pytest.raises(SchemaMismatchError, match="type the columns in a view"):
        opened(visits, "research.plain", cells=CellRules(missing=("-9",)))


def test_the_node_takes_a_types_that_it_has_none_for_as_texts(cluster) -> None:
    relation = cluster.made(
        "others",
        "pid INT, a ARRAY<INT>, t TIMESTAMP, d DECIMAL(38,3), s STRUCT<x: INT>",
        "(1, array(1, 2), TIMESTAMP'2020-01-01 00:00:00 Europe/Berlin', 1.5, named_struct('x', 1))",
    )
    view = "SELECT pid, CAST(t AS VARCHAR) AS t, a, d AS n FROM source"
    columns = {
        "a": {"type": "categorical", "domain": ["[1, 2]"]},
        "t": {"type": "categorical", "domain": ["2019-12-31 23:00:00+00"]},
        "n": number(resolution="0.5"),
    }
    with opened(cluster, relation, columns, engine="", view=view) as there:
        assert there.every_row(["a", "t", "n"]).tolist() == [[1, 0, 0, 3]]
