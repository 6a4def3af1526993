"""Answers as files: Parquet holds the frame with its row labels, for every pandas that has a writer."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError

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


@pytest.mark.parametrize("name", ASKED)
def test_the_frame_is_written_with_its_labels_as_columns(answers, name, monkeypatch, tmp_path):
    written = {}

    def writer(frame, path, *, index):
        written[path] = (frame.copy(), index)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", writer)
    answer = answers[name]
    answer.to_parquet(tmp_path / "answer.parquet")
    ((path, (frame, index)),) = written.items()
    assert (path, index) == (tmp_path / "answer.parquet", False)
    names, rows = answer.cells()
    assert len(frame.columns) == len(names)
    assert all(isinstance(column, str) for column in frame.columns)
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == rows
    # the answer's own frame stays as it was
    assert [str(column) for column in answer.frame.columns] == names[-len(answer.frame.columns) :]


@pytest.mark.skipif(
    any(map(find_spec, ("pyarrow", "fastparquet"))) is False, reason="pandas has no writer of Parquet here"
)
def test_what_was_written_is_read_back(answers, tmp_path):
    answers["correlation"].to_parquet(tmp_path / "answer.parquet")
    found = pd.read_parquet(tmp_path / "answer.parquet")
    assert found["x"].tolist() == answers["correlation"].frame["x"].tolist()


def test_without_a_writer_the_error_names_what_to_install(answers, monkeypatch, tmp_path):
    def missing(*_, **__):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(InvalidRequestError, match="needs pyarrow or fastparquet"):
        answers["describe"].to_parquet(tmp_path / "answer.parquet")
    assert not list(tmp_path.iterdir())
