"""A mapping in the places where a source is used: the clean table, its kept copy, the site file, init, doctor, the session."""

import json
from dataclasses import replace

import pytest

import federation
from analytics.errors import MappingError, SchemaMismatchError
from analytics.harmonise.reading import read_mapping
from analytics.sources import SourceSpec, open_table
from analytics.sources.inspection import inspected
from federation.consortium.site_file import load_site
from federation.diagnostics.checks import examine_files
from federation.diagnostics.mappings import checked_mappings
from federation.errors import ConfigError
from federation.setup.infer_schema import init_consortium
from tests.cli.conftest import crossward
from tests.harmonise.harmonise_world import numeric, site, table
from tests.sources.writers import WRITERS

MAPPING = """
[codes.m]
file = "m.csv"
[table.columns.age]
from = "Alter"
type = "number"
range = {low = 0, high = 120}
[table.columns.kind]
type = "number"
codes = "m"
"""
ROWS = "Alter;kind\n40;A\n455;B\n50;A\n60;B\n"
CODES = "source,target\nA,1\nB,2\n"
OWN = table(numeric("age", "0", "120"), numeric("kind", "0", "9"))
KEY = b"k" * 16


def values(spec, folder=None):
    with open_table(spec, OWN, site_key=KEY, copies=folder) as source:
        assert source.report.steps
        return sorted(source.every_row(["age", "kind"])[:, 1:].tolist())


def test_the_clean_table_holds_what_the_mapping_makes_and_the_report_what_it_did(tmp_path):
    spec = site(tmp_path, MAPPING, ROWS, [("m.csv", CODES)], delimiter=";")
    with open_table(spec, OWN, site_key=KEY) as source:
        assert source.report.rows_kept == 4
        touched = {rule: n for step in source.report.steps for rule, n in step.touched.items() if n}
        assert touched == {"column age: values outside the range, now missing": 1, "column kind: codes": 4}
        assert "455" not in repr(source.report) + str(source.report.steps)
        assert "counts withheld" in repr(source.report.steps[0])


def test_a_kept_copy_is_used_again_and_ends_with_the_mapping_or_its_code_files(tmp_path):
    copies = tmp_path / "copies"

    def opened(mapping=MAPPING, codes=CODES):
        spec = site(tmp_path / "s", mapping, ROWS, [("m.csv", codes)], delimiter=";")
        return values(spec, copies)

    first = opened()
    about = copies / "patients.json"
    written = about.stat().st_mtime_ns
    assert opened() == first
    assert about.stat().st_mtime_ns == written  # the copy was used
    assert opened(codes="source,target\nA,1\nB,3\n") != first
    assert opened() == first
    assert opened(MAPPING.replace("high = 120", "high = 55")) != first
    assert json.loads(about.read_text())["report"]["steps"]


def test_a_mapping_that_reads_other_files_has_no_copy(tmp_path):
    text = MAPPING + '[inputs.more]\nfile = "m.csv"\nother_columns = "keep"\n'
    spec = site(tmp_path / "s", text, ROWS, [("m.csv", CODES)], delimiter=";")
    values(spec, tmp_path / "copies")
    assert not (tmp_path / "copies" / "patients.json").exists()


def test_a_refusal_names_the_rule_and_no_cell(tmp_path):
    text = MAPPING.replace("high = 120", 'high = 120, outside = "refuse"')
    spec = site(tmp_path, text, ROWS, [("m.csv", CODES)], delimiter=";")
    with pytest.raises(SchemaMismatchError) as refused:
        open_table(spec, OWN, site_key=KEY)
    assert "column age: values outside the range, refused" in str(refused.value)
    assert "455" not in str(refused.value)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A consortium that init made of three sites, of which one has a mapping."""
    folder = tmp_path_factory.mktemp("trial")
    (folder / "mapping.toml").write_text("version = 1\n" + MAPPING)
    (folder / "m.csv").write_text(CODES)
    (folder / "a.csv").write_text(ROWS.replace("455", "45") + "".join(f"{40 + n};A\n" for n in range(40)))
    for name in "bc":
        (folder / f"{name}.csv").write_text(
            "age,kind\n" + "".join(f"{40 + n},{1 + n % 2}\n" for n in range(40))
        )
    init_consortium(
        folder / "trial",
        sites={name: folder / f"{name}.csv" for name in "abc"},
        table="patients",
        settings={"a": {"delimiter": ";", "harmonise": str(folder / "mapping.toml")}},
        tell=lambda _: None,
    )
    return folder


def test_init_reads_a_site_through_its_mapping_and_the_node_and_doctor_do_too(trial):
    own = trial / "trial" / "sites" / "a"
    assert load_site(own).file.tables["patients"].harmonise == str((trial / "mapping.toml").resolve())
    found = examine_files(trial / "trial", own / "site.toml")
    lines = [each.line() for each in found]
    assert any("mapping of patients: table, column kind: codes: 44 (100.0%)" in line for line in lines), lines
    assert any("44 rows read, 44 kept" in line for line in lines)


def test_the_check_shows_each_step_and_the_sql_and_fails_where_a_rule_refuses(trial):
    own = trial / "trial" / "sites" / "a"
    ran = crossward("harmonise", "check", str(own))
    assert ran.code == 0, ran.err
    assert "table, ranges: 44 rows" in ran.out
    assert "table, column kind: codes: 44 (100.0%)" in ran.out
    assert "WITH" not in ran.out
    ran = crossward("harmonise", "check", str(own), "--explain", "--json")
    shown = json.loads(ran.out)["patients"]
    assert [step["step"] for step in shown["steps"]] == ["words and codes", "types and units", "ranges"]
    assert shown["sql"].count(" AS (") == 3
    assert 'LEFT JOIN "codes#m"' in shown["sql"]
    text = (trial / "mapping.toml").read_text()
    (trial / "mapping.toml").write_text(text.replace("high = 120", 'high = 55, outside = "refuse"'))
    try:
        ran = crossward("harmonise", "check", str(own))
        assert ran.code != 0
        assert "REFUSED: correct the rows" in ran.out
        assert "table, ranges: 44 rows" in ran.out  # all counts are shown all the same
        (trial / "mapping.toml").write_text(
            text.replace("[table.columns.age]", "[table.columns.age]\ntyp = 'x'")
        )
        lines = [each.line() for each in examine_files(trial / "trial", own / "site.toml")]
        assert any("mapping.toml: line 6, table.columns.age.typ" in line for line in lines), lines
        with pytest.raises(ConfigError, match="nearest: type"):
            checked_mappings(own)
    finally:
        (trial / "mapping.toml").write_text(text)


def test_the_check_of_a_site_without_a_mapping_says_so(trial):
    ran = crossward("harmonise", "check", str(trial / "trial" / "sites" / "b"))
    assert ran.code == 2
    assert "names a mapping" in ran.err


def test_a_local_session_takes_mappings_by_site(tmp_path):
    site(tmp_path, MAPPING, ROWS.replace(";", ","), [("m.csv", CODES)])
    path = tmp_path / "mapping.toml"
    plain = "age,kind\n40,1\n,2\n50,1\n60,2\n"
    (tmp_path / "plain.csv").write_text(plain)
    schema = {
        "tables": {
            "patients": {
                "privacy_unit": "row",
                "max_rows_per_unit": 1,
                "rows_max": 100,
                "columns": {
                    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "nullable": True},
                    "kind": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1, "nullable": True},
                },
            }
        }
    }
    given = {"a": str(tmp_path / "site.csv"), "b": tmp_path / "plain.csv", "c": tmp_path / "plain.csv"}
    policy = {"minimum_cell": 0, "nested_supports": "allow"}
    with federation.local(given, schema=schema, policy=policy, harmonise={"a": path}) as session:
        answer = session.sql("SELECT COUNT(*) AS n, SUM(age) AS s, SUM(kind) AS k FROM patients", exact=True)
        assert answer.frame.to_dict("records") == [{"n": 12, "s": 450, "k": 18}]
    with pytest.raises(ConfigError, match="there is no site z"):
        federation.local(given, schema=schema, harmonise={"z": path})
    with pytest.raises(ConfigError, match="harmonise names tables of patients"):
        federation.local(given, schema=schema, harmonise={"a": {"other": path}})
    with pytest.raises(MappingError):
        federation.local(given, schema=schema, harmonise={"a": tmp_path / "none.toml"})


def test_the_spec_of_a_source_takes_a_mapping(tmp_path):
    site(tmp_path, MAPPING, ROWS, [("m.csv", CODES)])
    spec = SourceSpec(
        kind="csv", path=tmp_path / "site.csv", delimiter=";", mapping=read_mapping(tmp_path / "mapping.toml")
    )
    assert len(values(spec)) == 4


@pytest.mark.parametrize("kind", ["parquet", "sqlite", "duckdb"])
def test_the_main_file_and_another_one_may_be_of_one_kind(kind, tmp_path):
    folders = tmp_path / "main", tmp_path / "labs"
    for folder in folders:
        folder.mkdir()
    main, labs = (
        WRITERS[kind](folder, ("id", "age"), ("VARCHAR", "INTEGER"), rows)
        for folder, rows in zip(folders, ((("a", 40), ("b", 50)), (("b", 7), ("c", 8))), strict=True)
    )
    rule = (
        f'on = {{id = "id"}}\n[inputs.labs]\nfile = "labs/{labs.path.name}"\nrelation = "{labs.relation}"\n'
    )
    columns = '[inputs.labs.columns.id]\n[inputs.labs.columns.lab]\nfrom = "age"\n'
    text = f"version = 1\n[table.columns.id]\n[table.columns.age]\n[table.join.labs]\n{rule}{columns}"
    (tmp_path / "mapping.toml").write_text(text)
    spec = replace(main, mapping=read_mapping(tmp_path / "mapping.toml"))
    with inspected(spec, name="a", view="SELECT * FROM source", cells=spec.cells) as connection:
        assert sorted(connection.execute("SELECT * FROM source").fetchall()) == [
            ("a", "40", None),
            ("b", "50", "7"),
        ]
