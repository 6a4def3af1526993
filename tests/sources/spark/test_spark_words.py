"""What a Spark source is without a cluster: its address, its words, what is refused before anything is asked."""

import sys

import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from analytics.sources.pushed.clean_view import push_columns
from analytics.sources.pushed.words import SPARK_WORDS, spark_literal
from analytics.sources.servers.access import ServerAccess
from analytics.sources.servers.found import Found
from analytics.sources.servers.spark_faults import is_cancelled, is_lost, view_fault
from analytics.sources.spec import CellRules
from analytics.sql.terms.render import SPARK
from federation.consortium.site_file import SiteTable
from tests.analytics.sources.test_analytics_scans import planned
from tests.sources.test_format_contract import COLUMNS, KEY, table_of

URL = "sc://spark.hospital.example:15002/;use_ssl=true;user_id=reader"
CANARY = "CANARY73519"


class SparkError(Exception):
    """As PySpark's errors answer."""

    def __init__(self, condition: str, **parameters: str) -> None:
        super().__init__(f"[{condition}] {CANARY}")
        self._condition, self._parameters = condition, parameters

    def getCondition(self) -> str:
        return self._condition

    def getMessageParameters(self) -> dict:
        return self._parameters


def spec(**changes: object) -> SourceSpec:
    return SourceSpec(
        **({"kind": "spark", "server": ServerAccess(url=URL), "relation": "research.visits"} | changes)
    )


def test_a_cluster_is_known_by_its_address(tmp_path) -> None:
    table = SiteTable(
        source=URL, table="main.research.visits", engine="spark", password_env="TOKEN", source_version="7"
    )
    found = table.spec(tmp_path)
    assert (found.kind, found.engine, found.relation) == ("spark", "spark", "main.research.visits")
    assert (found.server.password_env, found.digest()) == ("TOKEN", "version 7")
    assert SiteTable(source=URL, table="parquet:/data/visits").spec(tmp_path).name == "parquet:/data/visits"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sc://h/;token=secret;use_ssl=true", "no password may stand in the address"),
        ("sc://u:secret@h:1/;use_ssl=true", "no password may stand in the address"),
        ("sc://u@h:1/;use_ssl=true", "is sc://HOST:PORT"),
        ("sc://h:70000/;use_ssl=true", "is sc://HOST:PORT"),
        ("sc://h:1/path", "is sc://HOST:PORT"),
        ("sc:///;use_ssl=true", "is sc://HOST:PORT"),
        ("sc://h:1/;colour=red;use_ssl=true", "not colour"),
        ("sc://h:1/;use_ssl=maybe", "use_ssl is true or false"),
        ("sc://h:1", "rows would travel unencrypted"),
        ("spark://h:7077", "the address of a server and its kind go together"),
        ("postgresql://a@b/c", "the address of a server and its kind go together"),
    ],
)
def test_addresses_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(SchemaMismatchError, match=reason) as caught:
        spec(server=ServerAccess(url=url))
    assert "secret" not in str(caught.value)


def test_an_address_on_this_machine_needs_no_encryption_and_a_token_brings_it() -> None:
    for access in (
        ServerAccess(url="sc://localhost:15002"),
        ServerAccess(url="sc://[::1]:15002/;user_id=a"),
        ServerAccess(url="sc://h:1", password_env="TOKEN"),
    ):
        assert access.mistakes() == []


@pytest.mark.parametrize("relation", ["", " t", "a..b", "a.b.c.d", "parquet:", "parquet:/data/*.parquet"])
def test_names_that_are_refused(relation: str) -> None:
    with pytest.raises(SchemaMismatchError, match=r"a spark source needs|parquet: needs"):
        spec(relation=relation)


def test_without_the_extra_it_is_said_and_nothing_is_imported(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.logger", None)
    for engine in ("", "spark"):
        with pytest.raises(SchemaMismatchError, match=r"pip install 'crossward\[spark\]'"):
            open_table(spec(engine=engine), table_of(), site_key=KEY)


def test_a_statement_in_its_words() -> None:
    schema = Schema.from_dict({"tables": {"t": table_of().to_dict() | {"columns": dict(COLUMNS)}}})
    [statement] = planned(
        "SELECT flag, SUM(n * n), COUNT(*) FROM t WHERE word IS NULL GROUP BY flag", schema
    ).statements(SPARK)
    assert "TRY(" not in statement
    assert "HUGEINT" not in statement
    wide = {"n": {"type": "numeric", "lower": 0, "upper": 2_000_000_000, "resolution": 1}}
    schema = Schema.from_dict({"tables": {"t": table_of(wide).to_dict()}})
    [statement] = planned("SELECT SUM(n) FROM t", schema).statements(SPARK)
    assert 'SUM(CAST(CAST("n" AS BIGINT) AS DECIMAL(20, 0)))' in statement.replace("(CAST(", "(CAST(")


def test_cells_in_its_words() -> None:
    """It rounds with rint, since a cast cuts; texts have their escapes; a pattern ends at the text's end alone."""
    table = table_of({"n": COLUMNS["n"], "word": {"type": "categorical", "domain": ["a\\b", "it's"]}})
    found = Found(
        sql='"v"', names=("pid", "n", "word"), kinds=("VARCHAR", "DOUBLE", "VARCHAR"), is_fenced=True
    )
    staged = push_columns(table, found, CellRules(), "v", SPARK_WORDS).staged()
    assert "CAST(rint((CAST(v1 AS DOUBLE))) AS INTEGER)" in staged
    assert r"WHEN 'a\\b' THEN 0 WHEN 'it\'s' THEN 1" in staged
    assert r"\\z'" in staged
    assert "OFFSET" not in staged
    assert spark_literal("\\'") == "'\\\\\\''"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SparkError("UNRESOLVED_COLUMN.WITH_SUGGESTION", objectName="`agee`"), r"there is no column agee \(first at 1:8\)"),
        (SparkError("UNRESOLVED_COLUMN", objectName=f"`{CANARY}`"), r"over this source \(UNRESOLVED_COLUMN\)"),
        (SparkError("DIVIDE_BY_ZERO"), r"over this source \(DIVIDE_BY_ZERO\)"),
        (SparkError(f"ODD {CANARY} condition"), "over this source$"),
        (ValueError(CANARY), "over this source$"),
        (SparkError("INVALID_HANDLE.SESSION_CLOSED"), "the cluster was lost"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_the_views_own_words_alone(error: Exception, reason: str) -> None:
    import re

    found = view_fault("SELECT agee FROM source", error)
    assert re.search(reason, found)
    assert CANARY not in found


def test_errors_of_time_and_of_loss_are_told_apart() -> None:
    assert is_cancelled(SparkError("OPERATION_CANCELED"))
    assert not is_lost(SparkError("OPERATION_CANCELED"))
    assert is_lost(SparkError("INVALID_HANDLE.SESSION_NOT_FOUND"))
    assert not is_lost(SparkError("ARITHMETIC_OVERFLOW"))
