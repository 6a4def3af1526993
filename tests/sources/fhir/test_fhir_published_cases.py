"""The test cases that SQL on FHIR publishes, from a copy of its repository that SQL_ON_FHIR names; they are not part of this one."""

import json
import os
from pathlib import Path

import pytest

from analytics.errors import SchemaMismatchError
from analytics.sources import SourceSpec
from analytics.sources.formats.fhir import ViewDefinition
from analytics.sources.loading import connect, opened

FOLDER = os.environ.get("SQL_ON_FHIR", "")
FILES = sorted(Path(FOLDER, "tests").glob("*.json")) if FOLDER else []
UNSUPPORTED = ("a cell holds one value", "repeat: ", "is not supported")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="SQL_ON_FHIR names no copy of github.com/FHIR/sql-on-fhir-v2")
def test_every_published_case_gives_its_rows_or_is_refused_by_what_is_not_supported(tmp_path):
    counts = {"as published": 0, "not supported": 0}
    for file in FILES:
        document = json.loads(file.read_text("utf-8"))
        path = tmp_path / f"{file.stem}.ndjson"
        path.write_text("".join(json.dumps(each) + "\n" for each in document["resources"]))
        for case in document["tests"]:
            counts[judged(case, path)] += 1
    assert counts["as published"] >= 105, counts


def judged(case: dict, path: Path) -> str:
    connection = connect(1)
    try:
        view = ViewDefinition.of(json.dumps(case["view"]).encode(), "view.json")
        spec = SourceSpec(kind="fhir", path=path, view_definition=view)
        with opened(connection, spec, workplace=path.parent) as relation:
            rows = connection.execute(f"SELECT * FROM {relation.sql}").fetchall()
        found = [dict(zip(relation.names, row, strict=True)) for row in rows]
    except SchemaMismatchError as error:
        refused = "as published" if case.get("expectError") else error.reason
    else:
        refused = ""
    finally:
        connection.close()
    if refused:
        assert refused == "as published" or any(text in refused for text in UNSUPPORTED), (
            path.stem,
            case["title"],
            refused,
        )
        return refused if refused == "as published" else "not supported"
    assert not case.get("expectError"), (path.stem, case["title"])
    assert list(relation.names) == case.get("expectColumns", list(relation.names))
    expected, given = (
        sorted(json.dumps(row, sort_keys=True) for row in each) for each in (case["expect"], found)
    )
    assert given == expected, (path.stem, case["title"])
    return "as published"
