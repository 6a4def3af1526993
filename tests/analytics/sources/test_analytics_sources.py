"""Local tables: cleaned once, sandboxed, capped and timed; no message carries a value."""

import hashlib
import hmac
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import LocalTimeoutError, SchemaMismatchError, SourceFailedError, SourceLostError
from analytics.schema import Schema, Table
from analytics.sources import LocalTable, SourceSpec, open_frame, open_table
from analytics.sql.terms.render import quoted

KEY = bytes(range(32))
CANARY = "CANARY73519"


def table_of(columns: dict, **changes: object) -> Table:
    body = {"privacy_unit": "row", "rows_max": 100, "columns": columns} | changes
    return Schema.from_dict({"tables": {"t": body}}).tables["t"]


NUMBER = {"type": "numeric", "lower": -1, "upper": 2, "resolution": "0.1"}
PLAIN = table_of({"x": NUMBER})


def csv(tmp_path: Path, text: str, name: str = "site.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(
    source: LocalTable, columns: str = "COLUMNS(lambda name: NOT contains(name, '#invalid'))"
) -> list[tuple]:
    return source.engine._connection.execute(f"SELECT {columns} FROM t").fetchall()


def opened(path: Path, table: Table = PLAIN, **changes: object) -> LocalTable:
    fields = {"kind": "csv", "path": path} | changes
    return open_table(SourceSpec(**fields), table, site_key=KEY, threads=1)


def refused(path: Path, table: Table = PLAIN, **changes: object) -> SchemaMismatchError:
    with pytest.raises(SchemaMismatchError) as caught:
        opened(path, table, **changes)
    return caught.value


# what ingest makes of values


def test_numbers_go_to_their_grid(tmp_path: Path) -> None:
    source = opened(csv(tmp_path, "x\n0.3\n-0.7\n2\n5.5\n-9\n\n1.26\nnan\ninf\n"))
    assert [row[0] for row in rows(source)] == [3, -7, 20, 20, -10, None, 13, None, None]
    [found] = source.report.columns
    assert (found.missing, found.not_finite, found.clipped) == (1, 2, 2)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=30),
    st.sampled_from(["0.1", "0.001", "3", "0.7", "1"]),
)
def test_values_on_the_grid_keep_their_index(indices: list[int], resolution: str) -> None:
    step = Decimal(resolution)
    limit = format((2**40 * step).normalize(), "f")
    table = table_of(
        {"x": {"type": "numeric", "lower": f"-{limit}", "upper": limit, "resolution": resolution}}
    )
    frame = pd.DataFrame({"x": [float(index * step) for index in indices]})
    with open_frame(frame, table, site_key=KEY) as source:
        assert [row[0] for row in rows(source)] == indices


def test_null_never_becomes_a_bound(tmp_path: Path) -> None:
    source = opened(csv(tmp_path, "x,y\n,1\n,2\n"))
    assert rows(source) == [(None,), (None,)]


def test_categories_become_positions(tmp_path: Path) -> None:
    table = table_of(
        {
            "k": {"type": "categorical", "domain": ["b b", "a'"]},
            "c": {"type": "categorical", "domain": [7, 3]},
        }
    )
    source = opened(csv(tmp_path, "k,c\n b b ,7\na',3\nother,4\n,\n"), table)
    assert rows(source) == [(0, 0), (1, 1), (None, None), (None, None)]
    assert [(c.missing, c.outside_domain) for c in source.report.columns] == [(1, 1), (1, 1)]


def test_whole_numbers_in_a_float_column_are_categories() -> None:
    table = table_of({"c": {"type": "categorical", "domain": [7, 3]}})
    with open_frame(
        pd.DataFrame({"c": [7.0, 3.5, None, 7.0, 3.0, np.inf, 1e300]}), table, site_key=KEY
    ) as source:
        assert [row[0] for row in rows(source)] == [0, None, None, 0, 1, None, None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0, 2], [True, False, None]),
        ([1.0, 0.0, None], [True, False, None]),
        (["T", "false", "maybe"], [True, False, None]),
        ([True, False, None], [True, False, None]),
    ],
)
def test_booleans(values: list, expected: list) -> None:
    table = table_of({"b": {"type": "boolean"}})
    with open_frame(pd.DataFrame({"b": values}), table, site_key=KEY) as source:
        assert [row[0] for row in rows(source)] == expected


def test_view_and_column_names_in_any_case(tmp_path: Path) -> None:
    path = csv(tmp_path, "NUM,Y\n3,1\n0,2\n")
    table = table_of({"disease": {"type": "boolean"}})
    source = opened(path, table, view="SELECT *, as_number(num) > 0 AS Disease FROM source;")
    assert rows(source) == [(True,), (False,)]


def test_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    source = opened(csv(tmp_path, "x\n"))
    assert (source.report.rows_kept, source.report.exact_allowed) == (0, True)


def test_parquet_and_duckdb_files(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "site.duckdb")) as connection:
        connection.execute("CREATE TABLE visits AS SELECT 0.5 AS x")
        connection.execute(f"COPY visits TO '{tmp_path}/site.parquet'")
    assert rows(opened(tmp_path / "site.parquet", kind="parquet")) == [(5,)]
    assert rows(opened(tmp_path / "site.duckdb", kind="duckdb", relation="main.visits")) == [(5,)]
    assert "duckdb" in refused(tmp_path / "site.duckdb", kind="duckdb", relation="nothing").reason


# capping


def capped(order: list[int], key: bytes = KEY, cap: int = 2) -> list[tuple]:
    frame = pd.DataFrame(
        {"pid": ["a"] * 5 + ["b"] * 2 + [None, " "], "x": [0.0, 0.5, 0.5, 1.0, 1.5, 0, 0, 1, 1]}
    )
    table = table_of({"x": NUMBER}, privacy_unit="pid", max_rows_per_unit=cap)
    with open_frame(frame.iloc[order], table, site_key=key) as source:
        report = source.report
        assert (report.rows_read, report.rows_without_unit) == (9, 2)
        assert report.rows_over_cap == 7 - report.rows_kept
        return sorted(rows(source, '"#unit", x'))


def test_cap_keeps_the_same_rows_in_any_order() -> None:
    kept = capped(list(range(9)))
    assert Counter(unit for unit, _ in kept) == {1: 2, 2: 2}
    assert capped([8, 3, 1, 7, 0, 5, 2, 4, 6]) == kept


@pytest.mark.parametrize("seed", range(6))
def test_cap_keeps_the_smallest_keyed_hashes(seed: int) -> None:
    """RFC 2104 from the standard library, over the unit, the clean row and the number of its double."""
    key = bytes([seed]) * 32
    ties: Counter[int] = Counter()
    ranked = []
    for value in [0, 5, 5, 10, 15]:
        ties[value] += 1
        message = f"1:a|{value}|{ties[value]}".encode()
        ranked.append((hmac.new(key, message, hashlib.sha256).hexdigest(), value))
    wanted = sorted((1, value) for _, value in sorted(ranked)[:2])
    assert [row for row in capped(list(range(9)), key=key) if row[0] == 1] == wanted


@given(
    units=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3)), max_size=30),
    cap=st.integers(1, 4),
)
def test_law_cap_keeps_every_row_of_small_units_and_the_smallest_hashes_of_others(
    units: list[tuple[str, int]], cap: int
) -> None:
    """Units below, at and above the cap together; the oracle hashes every row of every unit."""
    ties: Counter[tuple[str, int]] = Counter()
    hashed: dict[str, list[tuple[str, int]]] = {}
    for unit, value in units:
        ties[unit, value] += 1
        message = f"1:{unit}|{value}|{ties[unit, value]}".encode()
        hashed.setdefault(unit, []).append((hmac.new(KEY, message, hashlib.sha256).hexdigest(), value))
    wanted = [
        (number, value)
        for number, unit in enumerate(sorted(hashed), 1)
        for _, value in sorted(hashed[unit])[:cap]
    ]
    frame = pd.DataFrame(
        {"pid": [unit for unit, _ in units], "x": [value / 10 for _, value in units]},
    ).astype({"pid": object, "x": float})
    table = table_of({"x": NUMBER}, privacy_unit="pid", max_rows_per_unit=cap)
    with open_frame(frame, table, site_key=KEY) as source:
        assert sorted(rows(source, '"#unit", x')) == sorted(wanted)
        assert source.report.rows_kept == len(wanted)


def test_cap_depends_on_the_sites_key() -> None:
    assert len({tuple(capped(list(range(9)), key=bytes([i]) * 32, cap=1)) for i in range(12)}) > 1


def test_another_units_rows_never_evict() -> None:
    alone = [row for row in capped([*list(range(5)), 7, 8, 5, 6]) if row[0] == 1]
    table = table_of({"x": NUMBER}, privacy_unit="pid", max_rows_per_unit=2, rows_max=1)
    frame = pd.DataFrame(
        {"pid": ["a"] * 5 + [f"z{i}" for i in range(40)], "x": [0.0, 0.5, 0.5, 1.0, 1.5] + [2.0] * 40}
    )
    with open_frame(frame, table, site_key=KEY) as source:
        assert sorted(row for row in rows(source, '"#unit", x') if row[0] == 1) == alone
        assert source.report.rows_kept == 42


# refusals at ingest: of files and columns, never of a value


def test_missing_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "gone.csv")
    assert (error.source, error.reason) == ("gone.csv", "there is no such file")
    assert "no such file" in refused(tmp_path).reason


@pytest.mark.parametrize("name", ["a*.csv", "a[1].csv", "a?.csv"])
def test_paths_that_expand_are_refused(tmp_path: Path, name: str) -> None:
    assert "* ? [" in refused(csv(tmp_path, "x\n1\n", name)).reason


@pytest.mark.parametrize(
    "text",
    ["", "x,y\n1,2\n3,4,5,6\n", 'x\n"1\n', "\x00\x01\x02\x03binary\x00"],
    ids=["empty", "ragged", "quote", "binary"],
)
def test_not_a_csv(tmp_path: Path, text: str) -> None:
    assert refused(csv(tmp_path, text)).source == "site.csv"


def test_not_utf8_and_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"x,k\n1,th\xe9\xff\n")
    assert "csv" in refused(tmp_path / "l.csv").reason
    assert "parquet" in refused(csv(tmp_path, "x\n1\n"), kind="parquet").reason
    assert "duckdb" in refused(csv(tmp_path, "x\n1\n"), kind="duckdb", relation="t").reason


@pytest.mark.parametrize(
    "bad",
    [{"kind": "excel"}, {"kind": "duckdb"}, {"kind": "duckdb", "relation": 'x"; y'}, {"delimiter": ",,"}],
)
def test_bad_specs(tmp_path: Path, bad: dict) -> None:
    refused(csv(tmp_path, "x\n1\n"), **bad)


def test_missing_column_is_named(tmp_path: Path) -> None:
    assert refused(csv(tmp_path, "y\n1\n")).column == "x"


@pytest.mark.parametrize("text", [f"x\n1\n{CANARY}\n", "x\n2020-01-01\n", "x\ntrue\n"])
def test_wrong_type_is_named_without_a_value(tmp_path: Path, text: str) -> None:
    error = refused(csv(tmp_path, text))
    assert error.column == "x"
    assert CANARY not in str(error)


def test_nested_types_are_refused() -> None:
    table = table_of({"k": {"type": "categorical", "domain": ["a"]}})
    with pytest.raises(SchemaMismatchError, match="k: its type object cannot be read: make it text"):
        open_frame(pd.DataFrame({"k": [["a"], ["b"]]}), table, site_key=KEY)


@pytest.mark.parametrize(
    "view",
    [
        "SELECT CAST(k AS INT) AS x FROM source", "SELECT nope AS x FROM source", "DROP TABLE source", "SELECT 1 AS x; SELECT 2 AS x",
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT error(k) AS x FROM source", "not sql", "",
    ],
)  # fmt: skip
def test_views_that_fail_say_so_without_a_value(tmp_path: Path, view: str) -> None:
    error = refused(csv(tmp_path, f"k\n{CANARY}\n"), view=view)
    assert "view" in error.reason
    assert CANARY not in repr(error) + str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_short_site_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatchError, match="site key"):
        open_table(SourceSpec(kind="csv", path=csv(tmp_path, "x\n1\n")), PLAIN, site_key=b"short")


# the shut database


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{path}')", "COPY t TO '{path}.out'", "ATTACH '{path}.db'", "SET threads = 2", "INSTALL httpfs",
        "SET enable_external_access = true", "SELECT * FROM frame_outside", "LOAD icu_nope", "SELECT * FROM source", "SELECT * FROM staged",
    ],
)  # fmt: skip
def test_nothing_gets_in_or_out(tmp_path: Path, statement: str) -> None:
    frame_outside = pd.DataFrame({"x": [1]})  # noqa: F841  a variable that DuckDB could find
    path = csv(tmp_path, "x\n1\n")
    source = opened(path)
    with pytest.raises(duckdb.Error):
        source.engine._connection.execute(statement.format(path=path))


def test_report_and_source_show_no_counts(tmp_path: Path) -> None:
    source = opened(csv(tmp_path, "x\n" + "0.1\n" * 37))
    assert "37" not in repr(source.report) + repr(source) + repr(source.report.columns)
    assert "37 rows read" in next(source.report.lines())


# asking


@pytest.fixture(scope="module")
def big(world_of):
    schema = Schema.from_dict(
        {
            "tables": {
                "t": {
                    "privacy_unit": "row",
                    "rows_max": 50,
                    "columns": {"x": NUMBER, "b": {"type": "boolean"}},
                }
            }
        }
    )
    n = 200
    frame = pd.DataFrame({"x": [0.1 * (i % 20) for i in range(n)], "b": [i % 3 == 0 for i in range(n)]})
    return world_of(schema, [frame])


def test_rows_beyond_rows_max_drop_nothing_but_clamp_in_private_mode(big) -> None:
    plan = big.plan("SELECT COUNT(*), SUM(x) FROM t", "private", n_sites=1, colluding=0)
    assert big.total(plan) == [50, 50 * 20]
    assert not big.sources[0].report.exact_allowed
    assert "does not start" in " ".join(big.sources[0].report.lines())


def test_rows_beyond_rows_max_are_no_error_after_the_charge(big) -> None:
    assert big.total(big.plan("SELECT COUNT(*) FROM t")) == [50]


def test_clamp_is_two_sided(world_of) -> None:
    schema = Schema.from_dict(
        {"tables": {"t": {"privacy_unit": "row", "rows_max": 2, "columns": {"x": NUMBER}}}}
    )
    world = world_of(schema, [pd.DataFrame({"x": [-1.0] * 5})])
    assert world.total(world.plan("SELECT SUM(x) FROM t", "private", n_sites=1, colluding=0)) == [-40]


def test_questions_run_side_by_side(world) -> None:
    plans = [world.plan(f"SELECT COUNT(*) FROM visits WHERE x > {i}", "private") for i in range(-3, 5)]
    wanted = [world.total(plan) for plan in plans]
    found: dict[int, list[int]] = {}

    def ask(number: int) -> None:
        for _ in range(5):
            found[number] = world.total(plans[number])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(len(plans))] == wanted


class Endless:
    """A plan whose statement takes for ever, and one that fails quoting data."""

    mode = "private"
    n_groups = n_figures = 1
    clamps = (1,)

    def __init__(self, statement: str) -> None:
        self.local_sql = statement

    def statements(self, *_: object) -> list[str]:
        return [self.local_sql]


def test_time_limit_ends_one_question_only(world) -> None:
    source = world.sources[0]
    started = time.monotonic()
    with pytest.raises(LocalTimeoutError) as caught:
        source.local_figures(Endless("SELECT count(*) FROM range(1000000000) a, range(1000000000) b"), 0.2)
    assert (caught.value.limit_s, time.monotonic() - started < 5) == (0.2, True)
    assert source.local_figures(Endless("SELECT 0, 1"), 5).tolist() == [1]


def test_failures_name_their_kind_and_no_value(frame_of, schema, world_of) -> None:
    with pytest.raises(SourceFailedError) as caught:
        world_of(schema, [frame_of([])]).sources[0].local_figures(Endless(f"SELECT error('{CANARY}')"), 5)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("error", [MemoryError, OverflowError, UnicodeDecodeError])
def test_any_failure_while_rows_are_fetched_is_one_error(frame_of, schema, world_of, error) -> None:
    def fetch(_):
        raise error("utf-8", CANARY.encode(), 0, 1, CANARY) if error is UnicodeDecodeError else error(CANARY)

    source = world_of(schema, [frame_of([])]).sources[0]
    with pytest.raises(SourceFailedError) as caught:
        source._run(lambda: source.engine._run("SELECT 1", 5, fetch))
    assert CANARY not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__


def test_closed_sources_fail_by_name(frame_of, schema, world_of) -> None:
    other = world_of(schema, [frame_of([])])
    other.sources[0].close()
    with pytest.raises(SourceLostError):
        other.total(other.plan("SELECT COUNT(*) FROM visits"))


def test_figures_are_int64_and_leave_no_thread(world) -> None:
    before = threading.active_count()
    figures = world.sources[0].local_figures(world.plan("SELECT k, COUNT(*) FROM visits GROUP BY k"), 30)
    assert (figures.dtype, figures.shape) == (np.int64, (4,))
    assert threading.active_count() == before


def test_quoted_names() -> None:
    assert quoted('a"b') == '"a""b"'


def test_a_written_default_view_is_the_default_view(tmp_path):
    """A site's file ends the view with a line end; what reads plain sources faster must still know it."""
    from analytics.sources.spec import DEFAULT_VIEW

    written = SourceSpec(kind="csv", path=csv(tmp_path, "x\n1\n"), view=f"\n{DEFAULT_VIEW}\n")
    assert written.view == DEFAULT_VIEW
    assert (
        SourceSpec(kind="csv", path=written.path, view="SELECT x FROM source\n").view
        == "SELECT x FROM source\n"
    )
