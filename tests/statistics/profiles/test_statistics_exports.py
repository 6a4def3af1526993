"""Answers as files: Parquet holds the frame with its row labels, and DuckDB reads it back."""

from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError
from analytics.parquet import write_parquet

COLUMNS = {
    "x": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
    "y": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
    "arm": {"type": "categorical", "domain": ["a", "b"]},
}
ASKED = {
    "correlation": {"columns": ["x", "y"]},
    "describe": {"columns": ["x", "arm"]},
    "crosstab": {"a": "arm", "b": "half"},
}


@pytest.fixture(scope="module")
def answers():
    generator = np.random.default_rng(1)
    data = pd.DataFrame({name: generator.integers(0, 10, 400) for name in "xy"})
    data = data.assign(arm=np.where(generator.random(400) < 0.5, "a", "b"), half=generator.random(400) < 0.5)
    world = StatisticWorld(data, COLUMNS | {"half": {"type": "boolean"}})
    return {name: world.ask(name, **arguments) for name, arguments in ASKED.items()}


def read_back(path):
    """By DuckDB alone: names, types, and rows."""
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        return [name for name, *_ in found.description], found.fetchall()


@pytest.mark.parametrize("name", ASKED)
def test_what_was_written_is_read_back_with_its_labels_as_columns(answers, name, tmp_path):
    path, answer = tmp_path / "answer.parquet", answers[name]
    path.write_text("an older file, which is replaced")
    answer.to_parquet(path)
    names, rows = read_back(path)
    expected_names, expected = answer.cells()
    assert [each for each in names if each != "index"] == [each for each in expected_names if each]
    assert [list(row) for row in rows] == expected
    # the answer's own frame stays as it was
    assert [str(column) for column in answer.frame.columns] == names[-len(answer.frame.columns) :]


def test_types_and_missing_values_are_kept(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": pd.array([3, None], dtype="Int64"),
            "part": pd.array([0.1, None], dtype="Float64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["it's", None], dtype="string"),
            "other": [Fraction(1, 3), None],
        }
    )
    path = tmp_path / "a file's name.parquet"
    write_parquet(frame, path)
    assert read_back(path)[1] == [(3, 0.1, True, "it's", "1/3"), (None,) * 5]
    write_parquet(frame.iloc[:0], path)
    assert read_back(path) == (list(frame.columns), [])


def test_a_path_that_cannot_be_written_is_named_without_a_foreign_error(answers, tmp_path):
    with pytest.raises(InvalidRequestError, match="path must be a file that can be written"):
        answers["describe"].to_parquet(tmp_path / "no folder" / "answer.parquet")
    assert not list(tmp_path.iterdir())
