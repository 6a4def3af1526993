"""Accepted forms of a site's rows, and reports on invalid rows before any query."""

import copy

import duckdb
import pandas as pd
import pytest

import federation
from analytics.errors import PlanRejectedError, SchemaMismatchError
from federation.errors import ConfigError
from federation.training.estimators import FederatedLogisticRegression

SCHEMA = {
    "tables": {
        "t": {
            "privacy_unit": "pid",
            "max_sites_per_unit": 1,
            "rows_max": 100,
            "exact_dimensions": ["ill"],
            "columns": {
                "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
                "ill": {"type": "boolean"},
            },
        }
    }
}
FRAME = pd.DataFrame({"pid": [f"p{n}" for n in range(12)], "age": range(40, 52), "ill": [0, 1] * 6})
COUNT = "SELECT COUNT(*) AS n FROM t"


def asked(tables, schema=SCHEMA):
    with federation.local(tables, schema=schema, policy={"minimum_cell": 0}) as session:
        return session.sql(COUNT, exact=True).frame["n"].tolist()


def test_rows_may_be_a_text_or_a_path_and_the_ending_says_which_kind(tmp_path):
    FRAME.to_csv(tmp_path / "a#1.csv", index=False)
    with duckdb.connect(str(tmp_path / "c.duckdb")) as connection:
        connection.execute(f"CREATE TABLE visits AS SELECT * FROM read_csv('{tmp_path / 'a#1.csv'}')")
        connection.execute(f"COPY visits TO '{tmp_path / 'b.PARQUET'}' (FORMAT parquet)")
    places = {
        "a": str(tmp_path / "a#1.csv"),
        "b": tmp_path / "b.PARQUET",
        "c": f"{tmp_path / 'c.duckdb'}#visits",
    }
    assert asked(places) == [36]


def test_a_path_of_another_kind_or_to_nothing_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"b: b.docx is none of .csv, .parquet"):
        asked({"a": FRAME, "b": tmp_path / "b.docx", "c": FRAME})
    with pytest.raises(SchemaMismatchError, match=r"b.csv: there is no such file"):
        asked({"a": FRAME, "b": str(tmp_path / "b.csv"), "c": FRAME})
    with pytest.raises(
        SchemaMismatchError, match="b: rows are a pandas frame, a path or a SourceSpec, not list"
    ):
        asked({"a": FRAME, "b": [1], "c": FRAME})


def test_a_site_whose_column_is_not_understood_is_named():
    words = FRAME.assign(ill=["ja", "nein"] * 6)
    with pytest.raises(SchemaMismatchError, match="b, column ill: none of its values is in the domain"):
        asked({"a": FRAME, "b": words, "c": FRAME})
    bands = FRAME.assign(age=pd.cut(FRAME["age"], [0, 50, 100]))
    with pytest.raises(SchemaMismatchError, match=r"c, column age: its type category .*make it text"):
        asked({"a": FRAME, "b": FRAME, "c": bands})


def test_a_site_with_mostly_invalid_values_causes_a_warning_and_answers():
    some = FRAME.assign(age=[-9] * 7 + [40] * 5)
    with pytest.warns(
        UserWarning, match="site b, table t: column age: more than half of its values"
    ) as caught:
        assert asked({"a": FRAME, "b": some, "c": FRAME}) == [36]
    some = FRAME.assign(ill=["perhaps"] * 7 + ["t", "f"] * 2 + ["t"])
    with pytest.raises(SchemaMismatchError, match="b, column ill: more than half of its values"):
        asked({"a": FRAME, "b": some, "c": FRAME})
    assert [warning.filename for warning in caught] == [__file__]


def test_identifiers_near_one_another_are_named_with_a_warning():
    near = FRAME.assign(pid=[*FRAME["pid"][:-1], "P0"])
    with pytest.warns(UserWarning, match="site c, table t: some identifiers differ by case"):
        assert asked({"a": FRAME, "b": FRAME, "c": near}) == [36]


def test_guessed_keys_of_a_table_close_questions_mining_and_training():
    schema = copy.deepcopy(SCHEMA)
    schema["tables"]["t"]["guessed"] = ["max_rows_per_unit"]
    closed = "max_rows_per_unit of t: guessed from data.*delete the line"
    with federation.local(dict.fromkeys("abc", FRAME), schema=schema) as session:
        for how in ({"epsilon": 0.5}, {"exact": True}):
            with pytest.raises(PlanRejectedError, match=closed):
                session.sql(COUNT, **how)
        with pytest.raises(PlanRejectedError, match=closed):
            session.table("t").association_rules(["ill"], min_support=0.1, min_confidence=0.5, exact=True)
        with pytest.raises(ConfigError, match=closed):
            FederatedLogisticRegression(epsilon=0.5, rounds=1).fit(
                session, table="t", features=["age"], target="ill"
            )
