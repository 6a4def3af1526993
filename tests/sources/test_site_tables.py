"""A site file's tables: files by their ending, servers by their address, and keys that do not fit together."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from federation.consortium.site_file import SiteTable

URL = "postgresql://reader@db.example/registry?sslmode=verify-full"


def test_a_file_is_opened_by_its_ending_beside_the_site_file(tmp_path: Path) -> None:
    spec = SiteTable(source="a.xlsx", table="Visits", missing=["#N/A"]).spec(tmp_path)
    assert (spec.kind, spec.path, spec.relation, spec.cells.missing) == (
        "excel",
        tmp_path / "a.xlsx",
        "Visits",
        ("#N/A",),
    )
    assert SiteTable(source="a.word").spec(tmp_path) is None
    assert SiteTable(source=".").spec(tmp_path).kind == "parquet"


def test_a_server_is_known_by_its_address(tmp_path: Path) -> None:
    table = SiteTable(
        source=URL, table="research.visits", engine="postgresql", password_file="secret", source_version="3"
    )
    spec = table.spec(tmp_path)
    assert (spec.kind, spec.engine, spec.name, spec.relation) == (
        "postgresql",
        "postgresql",
        "research.visits",
        "research.visits",
    )
    assert (spec.server.url, spec.server.password_file, spec.server.version) == (
        URL,
        tmp_path / "secret",
        "3",
    )
    assert spec.digest() == "version 3"
    assert SiteTable(source=URL, table="visits").spec(tmp_path).digest() == ""


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"source": "a.csv", "engine": "postgresql"}, "engine: for a server"),
        ({"source": "a.csv", "password_env": "X"}, "password_env: for a server"),
        ({"source": URL}, "needs a table's name, SCHEMA.TABLE"),
        ({"source": URL, "table": "v", "engine": "duckdb"}, "engine must be the kind of the source's server"),
        ({"source": URL, "table": "v", "password_env": "X", "password_file": "y"}, "name one of them"),
        ({"source": "postgresql://a:secret@b/c", "table": "v"}, "no password may stand in the address"),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(keys: dict, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SiteTable(**keys)
    assert reason in caught.value.errors()[0]["msg"]
    assert "secret" not in caught.value.errors()[0]["msg"]
