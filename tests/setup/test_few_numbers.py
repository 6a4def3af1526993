"""Columns of few whole numbers are guessed as codes unless their name, unit or steps speak for a measurement; and plain views."""

import pytest

from analytics.schema import Schema
from analytics.sources import opening
from analytics.sources.spec import DEFAULT_VIEW
from federation.setup.few_numbers import number_evidence
from federation.setup.infer_schema import guess_table
from federation.setup.site_rows import site_rows


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("cp", (1, 2, 3, 4), ""),
        ("stage", (0, 1, 2), ""),
        ("num", (0, 1, 2, 3, 4), ""),
        ("icd9", (250, 401, 414), ""),
        ("dose mg", (1, 2), "the unit in its name"),
        ("SpO2 (%)", (97, 98), "the unit in its name"),
        ("n_visits", (1, 2, 3), "its name"),
        ("ageYears", (40, 41), "the unit in its name"),
        ("page", (40, 41), ""),
        ("RR", (110, 120, 130, 140), "its values' equal steps"),
        ("RR", (0, 10, 20, 30), ""),
        ("RR", (110, 120, 130), ""),
    ],
)
def test_evidence_for_a_measurement(name, values, found):
    assert number_evidence(name, values) == found


def test_the_guess_says_what_was_taken_for_what_and_numbers_are_read_at_once(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    lines = "".join(f"p{n},{n % 3 + 1},{110 + n % 4 * 10},{n},note {n}\n" for n in range(80))
    path.write_text("pid,class,RR,Body Height,note\n" + lines)
    rows = site_rows("anna", path, settings={}, view=DEFAULT_VIEW)
    table = guess_table(rows, "t")
    columns = {line.partition(" ")[0]: line for line in table.schema.splitlines()}
    assert "categorical" in columns["class"]
    assert columns["class"].endswith(
        "# few whole numbers, taken for codes; if they measure something: numeric"
    )
    assert "numeric" in columns["rr"]
    assert "taken for a measurement by its values' equal steps; if they are codes" in columns["rr"]
    import tomlkit

    schema = Schema.from_dict(tomlkit.parse(table.schema).unwrap())
    monkeypatch.setattr(opening, "LARGE_BYTES", 0)
    from dataclasses import replace

    spec = replace(rows.rows, view=table.view())
    assert spec.view != DEFAULT_VIEW  # the note is left out
    assert opening._plain_numbers(spec, schema.tables["t"]) == {"RR", "Body Height"}
    taken, read = [], opening._read
    monkeypatch.setattr(opening, "_read", lambda *args: taken.append(len(args)) or read(*args))
    with rows.open(schema.tables["t"], table.view(), bytes(32)) as source:
        assert source.report.rows_kept == 80
    assert len(taken) == 1  # not read again as texts
