"""Every refusal of a query has its code and its position in the text."""

import pytest

from analytics.errors import PlanRejectedError
from analytics.plans.question import bind
from analytics.schema import Schema

SCHEMA = Schema.from_dict(
    {
        "tables": {
            "visits": {
                "privacy_unit": "pid",
                "max_rows_per_unit": 3,
                "rows_max": 1000,
                "exact_dimensions": ["k", "age"],
                "columns": {
                    "age": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 100,
                        "resolution": 1,
                        "bins": [0, 50, 100],
                    },
                    "x": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1},
                    "g": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1, "guessed": True},
                    "k": {"type": "categorical", "domain": ["red", "green"]},
                    "c": {"type": "categorical", "domain": [3, 6]},
                    "b": {"type": "boolean"},
                    "wide": {"type": "categorical", "domain": list(range(5000))},
                },
            },
            "other": {"privacy_unit": "row", "rows_max": 9, "columns": {"b": {"type": "boolean"}}},
        }
    }
)

CASES = [
    # statements
    ("", "1:1", "question is empty"),
    ("   -- nothing", "1:1", "question is empty"),
    ("DROP TABLE visits", "1:1", "not DROP"),
    ("  INSERT INTO visits VALUES (1)", "1:3", "not INSERT"),
    ("CREATE TABLE t AS SELECT 1", "1:1", "not CREATE"),
    ("COPY visits TO 'x'", "1:1", "not COPY"),
    ("ATTACH 'x'", "1:1", "not ATTACH"),
    ("PRAGMA x", "1:1", "not PRAGMA"),
    ("EXPLAIN SELECT 1", "1:1", "not EXPLAIN"),
    ("WITH a AS (SELECT 1) SELECT COUNT(*) FROM a", "1:1", "not WITH"),
    ("(SELECT COUNT(*) FROM visits)", "1:1", "only SELECT"),
    ("SELECT COUNT(*) FROM visits; DROP TABLE visits", "1:30", "one statement"),
    ("SELECT COUNT(*) FROM visits;;", "1:29", "one statement"),
    ("SELECT COUNT(* FROM visits", "1:16", "not valid SQL"),
    ("SELECT 'abc", "1:12", "quotation"),
    ("SELECT COUNT(*) FROM visits UNION SELECT 1", "1:29", "UNION"),
    ("SELECT COUNT(*) FROM visits WHERE " + "(" * 450 + "b" + ")" * 450, "1:1", "deep"),
    ("SELECT COUNT(*) FROM visits WHERE b" + " OR b" * 150, "1:35", "100 levels"),
    ("SELECT COUNT(*) FROM visits WHERE b" + " OR b" * 600, "1:2515", "1000 words"),
    ("SELECT " + " " * 10_000, "1:1", "10000 characters"),
    # clauses
    ("SELECT DISTINCT k FROM visits", "1:8", "DISTINCT"),
    ("SELECT COUNT(*) FROM visits\nHAVING COUNT(*) > 3", "2:1", "HAVING"),
    ("SELECT COUNT(*) FROM visits QUALIFY b", "1:29", "QUALIFY"),
    ("SELECT COUNT(*) FROM visits OFFSET 3", "1:29", "OFFSET"),
    ("SELECT COUNT(*) FROM visits USING SAMPLE 10", "1:35", "sample"),
    ("SELECT COUNT(*) FROM visits WINDOW w AS (ORDER BY x)", "1:29", "WINDOW"),
    ("SELECT COUNT(*) FROM visits TABLESAMPLE 10%", "1:22", "SAMPLE"),
    ("SELECT COUNT(*) FROM visits FOR UPDATE", "1:29", "FOR UPDATE"),
    ("SELECT COUNT(*)", "1:8", "FROM is missing"),
    # tables
    ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "1:22", "read_csv"),
    ("SELECT COUNT(*) FROM glob('*')", "1:22", "table functions"),
    ("SELECT COUNT(*) FROM range(5)", "1:22", "table functions"),
    ("SELECT COUNT(*) FROM 'x.csv'", "1:22", "unknown table"),
    ("SELECT COUNT(*) FROM nothing", "1:22", "unknown table"),
    ("SELECT COUNT(*) FROM main.visits", "1:22", "without a database"),
    ("SELECT COUNT(*) FROM visits, other", "1:30", "joins"),
    ("SELECT COUNT(*) FROM visits JOIN other USING (b)", "1:34", "joins"),
    ("SELECT COUNT(*) FROM (SELECT 1)", "1:30", "subquery"),
    ("SELECT COUNT(*) FROM visits AS v(q)", "1:32", "column lists"),
    # names
    ("SELECT SUM(nope) FROM visits", "1:12", "unknown column nope"),
    ("SELECT SUM(other.x) FROM visits", "1:12", "unknown table other"),
    ("SELECT SUM(visits.x) FROM visits v", "1:12", "unknown table visits"),
    ("SELECT frobnicate(x) FROM visits", "1:8", "unknown function frobnicate"),
    ("SELECT COUNT(*) AS n, SUM(x) AS N FROM visits", "1:23", "two columns"),
    # aggregates
    ("SELECT MIN(x) FROM visits", "1:8", "MIN"),
    ("SELECT COUNT(*), MAX(x) FROM visits", "1:18", "MAX"),
    ("SELECT MEDIAN(x) FROM visits", "1:8", "MEDIAN is not supported"),
    ("SELECT QUANTILE_CONT(x, 0.5) FROM visits", "1:8", "PERCENTILE_CONT is not"),
    ("SELECT SUM(x) OVER () FROM visits", "1:8", "window"),
    ("SELECT SUM(x) FILTER (WHERE b) FROM visits", "1:8", "FILTER"),
    ("SELECT SUM(DISTINCT x) FROM visits", "1:8", "DISTINCT"),
    ("SELECT COUNT(DISTINCT x) FROM visits", "1:23", "privacy units"),
    ("SELECT COUNT(DISTINCT pid, x) FROM visits", "1:23", "privacy unit"),
    ("SELECT COUNT(pid) FROM visits", "1:8", "COUNT(DISTINCT"),
    ("SELECT SUM(SUM(x)) FROM visits", "1:12", "SUM cannot stand"),
    ("SELECT SUM(x) / COUNT(*) FROM visits", "1:8", "arithmetic over aggregates"),
    ("SELECT AVG(k) FROM visits", "1:12", "category"),
    ("SELECT AVG('a') FROM visits", "1:12", "not a text"),
    ("SELECT AVG(x / 2) FROM visits", "1:12", "division"),
    ("SELECT AVG(ABS(x)) FROM visits", "1:12", "ABS"),
    ("SELECT AVG(x::INT) FROM visits", "1:12", "CAST"),
    ("SELECT AVG(COALESCE(x, 0)) FROM visits", "1:12", "COALESCE"),
    ("SELECT SUM(CASE WHEN b THEN NULL END) FROM visits", "1:22", "NULL"),
    ("SELECT SUM(CASE WHEN x THEN 1 END) FROM visits", "1:22", "condition"),
    ("SELECT SUM(NULL) FROM visits", "1:8", "NULL"),
    ("SELECT SUM(?) FROM visits", "1:8", "parameter"),
    ("SELECT SUM(x" + " * x" * 40 + ") FROM visits", "1:12", "100 bits"),
    ("SELECT SUM(1e-400) FROM visits", "1:12", "number"),
    ("SELECT * FROM visits", "1:8", "*"),
    ("SELECT x FROM visits", "1:8", "neither in GROUP BY"),
    ("SELECT 1 FROM visits", "1:8", "group key or an aggregate"),
    ("SELECT (SELECT 1) FROM visits", "1:16", "subquery"),
    ("SELECT k FROM visits GROUP BY k", "1:8", "has no aggregate"),
    # conditions
    ("SELECT COUNT(*) FROM visits WHERE pid = 'a'", "1:35", "privacy unit"),
    ("SELECT COUNT(*) FROM visits WHERE x", "1:35", "condition"),
    ("SELECT COUNT(*) FROM visits WHERE k = 'pink'", "1:35", "domain of k"),
    ("SELECT COUNT(*) FROM visits WHERE c = 4", "1:35", "domain of c"),
    ("SELECT COUNT(*) FROM visits WHERE c = 'x'", "1:35", "whole numbers"),
    ("SELECT COUNT(*) FROM visits WHERE k = 3", "1:35", "texts"),
    ("SELECT COUNT(*) FROM visits WHERE k = c", "1:35", "texts"),
    ("SELECT COUNT(*) FROM visits WHERE x = NULL", "1:35", "IS NULL"),
    ("SELECT COUNT(*) FROM visits WHERE x IN (1, NULL)", "1:35", "IS NULL"),
    ("SELECT COUNT(*) FROM visits WHERE x IN (1, age)", "1:44", "list of constants"),
    ("SELECT COUNT(*) FROM visits WHERE 3 IN (x, age)", "1:35", "list of constants"),
    ("SELECT COUNT(*) FROM visits WHERE x IN (SELECT 1)", "1:35", "subquery"),
    ("SELECT COUNT(*) FROM visits WHERE EXISTS (SELECT 1)", "1:50", "subquery"),
    ("SELECT COUNT(*) FROM visits WHERE x LIKE '1%'", "1:35", "categorical"),
    ("SELECT COUNT(*) FROM visits WHERE k LIKE k", "1:35", "text"),
    ("SELECT COUNT(*) FROM visits WHERE k LIKE 'a' ESCAPE 'b'", "1:35", "ESCAPE"),
    ("SELECT COUNT(*) FROM visits WHERE k ILIKE 'a'", "1:35", "ILIKE"),
    ("SELECT COUNT(*) FROM visits WHERE k ~ 'a'", "1:35", "not supported"),
    ("SELECT COUNT(*) FROM visits WHERE x IS DISTINCT FROM 3", "1:35", "NULLSAFENEQ"),
    ("SELECT COUNT(*) FROM visits WHERE COUNT(*) > 3", "1:35", "COUNT cannot stand"),
    # groups, order, limit
    ("SELECT COUNT(*) FROM visits GROUP BY x", "1:38", "no bins"),
    ("SELECT COUNT(*) FROM visits GROUP BY pid", "1:38", "privacy unit"),
    ("SELECT COUNT(*) FROM visits GROUP BY x + 1", "1:38", "columns"),
    ("SELECT COUNT(*) FROM visits GROUP BY 2", "1:38", "between 1 and 1"),
    ("SELECT COUNT(*) FROM visits GROUP BY ALL", "1:8", "GROUP BY ALL"),
    ("SELECT COUNT(*) FROM visits GROUP BY ROLLUP (k)", "1:46", "columns of the table"),
    ("SELECT COUNT(*) FROM visits GROUP BY k, k", "1:41", "twice"),
    ("SELECT COUNT(*) FROM visits GROUP BY wide, k, age", "1:47", "10000 groups"),
    ("SELECT COUNT(*) FROM visits ORDER BY x", "1:38", "columns of the answer"),
    ("SELECT COUNT(*) FROM visits ORDER BY 2", "1:38", "between 1 and 1"),
    ("SELECT COUNT(*) FROM visits LIMIT 1 + 1", "1:35", "LIMIT"),
    ("SELECT COUNT(*) FROM visits LIMIT 10%", "1:35", "LIMIT"),
]


@pytest.mark.parametrize(("sql", "position", "words"), CASES)
def test_refused_with_position(sql: str, position: str, words: str) -> None:
    with pytest.raises(PlanRejectedError) as caught:
        bind(sql, SCHEMA)
    assert (caught.value.position, words in str(caught.value)) == (position, True), str(caught.value)


ACCEPTED = [
    "SELECT COUNT(*) FROM visits;",
    "select k, count(*) as n from VISITS as v where v.AGE >= 40.5 group by 1 order by n desc, 1 limit 3",
    "SELECT COUNT(1), COUNT(k), COUNT(DISTINCT pid), AVG(b) FROM visits",
    "SELECT SUM(CASE k WHEN 'red' THEN x ELSE 2 * x - 1 END) FROM visits WHERE k NOT IN ('red') AND NOT b",
    "SELECT VARIANCE(x), STDDEV(x + 1), VAR_POP(x + 2), STDDEV_SAMP(x + 3) FROM visits WHERE x IS NOT NULL",
    "SELECT k AS colour, COUNT(*) FROM visits GROUP BY colour ORDER BY COUNT(*)",
    "SELECT COUNT(*) /* a comment; with -- marks */ FROM visits -- and an end",
    "SELECT COUNT(*) FROM visits WHERE b IS TRUE AND (x > 3) IS NOT FALSE AND 3 < x AND 'green' >= k",
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_accepted(sql: str) -> None:
    assert bind(sql, SCHEMA).table.name == "visits"


def test_names_of_columns() -> None:
    query = bind("SELECT k, count( * ), AVG(x +  1), (SUM(x)) s FROM visits GROUP BY k", SCHEMA)
    assert [output.name for output in query.outputs] == ["k", "count( * )", "AVG(x + 1)", "s"]


def test_a_duplicate_of_nested_commas_is_one_item() -> None:
    query = bind("SELECT SUM(CASE WHEN k IN ('red', 'green') THEN x END), COUNT(*) FROM visits", SCHEMA)
    assert [output.name for output in query.outputs][1] == "COUNT(*)"
