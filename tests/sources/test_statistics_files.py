"""Files of SPSS, Stata and SAS: codes stay codes, labels stand beside them, declared missing values are missing."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from analytics.sources.formats import statistics_file

KEY = bytes(range(32))
FRAME = pd.DataFrame(
    {
        "sex": [1.0, 2.0, 9.0, None],
        "grade": [1.0, 2.0, 3.0, 7.0],
        "born": [dt.date(2020, 2, 29), None, dt.date(1999, 1, 1), dt.date(2000, 1, 1)],
    }
)
LABELS = {"sex": {1: "m", 2: "f", 9: "unknown"}, "grade": {1: "low", 2: "low", 3: "high"}}


def word(*domain: object) -> dict:
    return {"type": "categorical", "domain": list(domain)}


def read(path: Path, kind: str, columns: dict) -> list[tuple]:
    table = Schema.from_dict(
        {"tables": {"t": {"privacy_unit": "row", "rows_max": 100, "columns": columns}}}
    ).tables["t"]
    with open_table(SourceSpec(kind=kind, path=path), table, site_key=KEY, threads=1) as source:
        return source.engine._connection.execute(
            "SELECT COLUMNS(lambda name: NOT contains(name, '#invalid')) FROM t"
        ).fetchall()


@pytest.fixture
def spss(tmp_path: Path) -> Path:
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(FRAME, str(path), variable_value_labels=LABELS, missing_ranges={"sex": [9]})
    return path


def test_codes_and_labels_are_two_columns_and_declared_missing_values_are_missing(spss: Path) -> None:
    columns = {
        "sex": word(1, 2),
        "sex_label": word("f", "m"),
        "born": word("1999-01-01", "2020-02-29", "2000-01-01"),
    }
    assert read(spss, "spss", columns) == [(0, 1, 1), (1, 0, None), (None, None, 0), (None, None, 2)]


def test_a_label_of_two_codes_makes_no_column_that_would_merge_them(spss: Path) -> None:
    assert read(spss, "spss", {"grade": word(1, 2, 3, 7)}) == [(0,), (1,), (2,), (3,)]
    with pytest.raises(SchemaMismatchError, match="column grade_label: is missing"):
        read(spss, "spss", {"grade_label": word("low", "high")})


def test_stata_keeps_its_labels_too(tmp_path: Path) -> None:
    path = tmp_path / "a.dta"
    pyreadstat.write_dta(FRAME, str(path), variable_value_labels={"sex": LABELS["sex"]})
    assert read(path, "stata", {"sex": word(1, 2, 9), "sex_label": word("m", "f")}) == [
        (0, 0), (1, 1), (2, None), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_rows_of_all_batches_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(statistics_file, "_BATCH_ROWS", size)
    for kind, ending, write in (
        ("spss", "sav", "write_sav"),
        ("stata", "dta", "write_dta"),
        ("sas", "xpt", "write_xport"),
    ):
        path = tmp_path / f"a.{ending}"
        getattr(pyreadstat, write)(FRAME, str(path))
        assert read(path, kind, {"grade": word(1, 2, 3, 7)}) == [(0,), (1,), (2,), (3,)]
