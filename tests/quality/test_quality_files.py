"""Files of thresholds: every mistake at once, unknown keys with those that exist; the page and the frame of a score card."""

import datetime as dt
import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from analytics.errors import QualityFileError
from analytics.quality.page import page_of
from analytics.quality.running import check_table
from analytics.quality.thresholds import Thresholds, read_thresholds
from analytics.schema import Schema

SCHEMA = Schema.from_dict(
    {
        "tables": {
            "patients": {
                "privacy_unit": "row",
                "rows_max": 100,
                "exact_dimensions": [],
                "columns": {
                    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "nullable": True},
                    "odd": {"type": "boolean", "nullable": True},
                },
            }
        }
    }
)


def written(folder, text):
    (folder / "quality.toml").write_text(text)
    return folder / "quality.toml"


def mistakes(folder, text):
    with pytest.raises(QualityFileError) as caught:
        read_thresholds(written(folder, text), SCHEMA)
    return caught.value.mistakes


def test_a_file_is_read_whole(tmp_path):
    text = """version = 1
[shares]
missing = 0.25
[tables.patients.columns.age]
low = 18
outside_range = "0.01"
[tables.patients.dates.seen]
earliest = 2000-01-01
newest_within_days = 90
[tables.patients.rules.adult]
expression = "age >= 18"
dimension = "validity"
"""
    found = read_thresholds(written(tmp_path, text), SCHEMA)
    assert float(found.shares.missing) == 0.25
    assert found.of("patients").columns["age"].low == 18
    assert found.of("patients").dates["seen"].earliest == dt.date(2000, 1, 1)
    assert found.of("elsewhere").rules == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["version: must be there"]),
        ("version = 2", ["version: must be there, and be 1"]),
        (
            "version = 1\nshare = 1",
            ["share: there is no such key; nearest: shares; there are version, shares, tables"],
        ),
        ("version = 1\n[shares]\nmissed = 0.1", ["shares.missed: there is no such key; nearest: missing"]),
        ("version = 1\n[shares]\nmissing = 1.5\nrules = -1", ["shares.missing: ", "shares.rules: "]),
        ("version = 1\n[shares]\nmissing = nan", ["shares.missing: must be a finite number"]),
        ("version = 1\n[tables.patient]", ["tables.patient: there is no such table; nearest: patients"]),
        (
            "version = 1\n[tables.patients.columns.ages]\nlow = 1",
            ["tables.patients.columns.ages: the schema declares no such column; nearest: age"],
        ),
        (
            "version = 1\n[tables.patients.columns.age]\nlow = 9\nhigh = 1\n[tables.patients.rules.x]",
            ["tables.patients.columns.age: low must be below high", "tables.patients.rules.x.expression: "],
        ),
        (
            'version = 1\n[tables.patients.columns.age]\nnot_applicable = {plausibleValueHi = "no"}',
            ["there is no check plausibleValueHi; nearest: plausibleValueHigh"],
        ),
        ("version = 1\n[tables.patients.columns.age]\nnot_applicable = {fkDomain = ''}", ["fkDomain: "]),
        (
            "version = 1\n[tables.patients.dates.x]\nfoo = 1",
            ["there are earliest, after, most, newest_within_days"],
        ),
        ("version = [", ["it is not TOML"]),
    ],
)
def test_every_mistake_is_told(tmp_path, text, expected):
    told = mistakes(tmp_path, text)
    assert len(told) == len(expected)
    for each, part in zip(told, expected, strict=True):
        assert part in each


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(QualityFileError, match="cannot be read"):
        read_thresholds(tmp_path / "none.toml", SCHEMA)
    (tmp_path / "quality.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(QualityFileError, match="not TOML"):
        read_thresholds(tmp_path / "quality.toml", SCHEMA)


def card():
    rows = pd.DataFrame({"age": [1.0, 500.0, None, 3.0], "odd": [True, None, None, None]})
    return check_table(
        rows, SCHEMA.tables["patients"], Thresholds(), today=dt.date(2026, 1, 1), name="<b>odd"
    )


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_whole_file_for_a_narrow_screen():
    page = page_of([card()], made="today <now>")
    tags = _Tags()
    tags.feed(page)
    assert not tags.open
    assert "script" not in tags.seen
    assert not tags.links
    assert 'name="viewport" content="width=device-width' in page
    assert 'viewBox="0 0 360' in page  # scales down to the width of a telephone
    assert "4 rows of &lt;b&gt;odd" in page
    assert "<b>odd<" not in page.replace("<b>odd: ", "")
    assert "today &lt;now&gt;" in page
    assert "1 of 3 rows (33.33 %)" in page  # the age of 500
    assert "range = {low = 0, high = 120}" in page


def test_frame_and_json_hold_all_checks():
    found = card()
    frame = found.frame
    assert len(frame) == len(found.results)
    line = frame[(frame.check == "plausibleValueHigh") & (frame.column == "age")].iloc[0]
    assert (line.state, line.violating, line.rows, line.category, line.subcategory) == (
        "failed",
        1,
        3,
        "plausibility",
        "atemporal",
    )
    document = json.loads(json.dumps(found.to_dict()))
    assert document["is_good"] is False
    assert document["scores"]["validity"]["applicable"] == sum(
        each["dimension"] == "validity" and each["state"] in {"passed", "failed"}
        for each in document["checks"]
    )
    assert document["columns"][0] == {"column": "age", "completeness": 0.75, "validity": pytest.approx(2 / 3)}
