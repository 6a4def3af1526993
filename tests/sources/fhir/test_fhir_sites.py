"""FHIR resources at a site: the clean table and its kept copy, the dry opening, the site file, init, a mapping over two views."""

import json
from dataclasses import replace

import pytest

from analytics.errors import MappingError, SchemaMismatchError
from analytics.harmonise.reading import read_mapping
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from analytics.sources.dry_opening import opening_faults, public_faults
from federation.consortium.site_file import SiteTable
from federation.errors import ConfigError
from federation.setup.site_rows import read_settings, settings_of, site_rows
from tests.sources.fhir.test_fhir_files import ANNA, BERT, CARL, column, definition, read, view, written

KEY = bytes(range(32))
TABLE = Schema.from_dict(
    {
        "tables": {
            "t": {
                "privacy_unit": "pid",
                "rows_max": 100,
                "max_rows_per_unit": 5,
                "columns": {"active": {"type": "boolean", "nullable": True}},
            }
        }
    }
).tables["t"]


def own(path: str = "active") -> dict:
    return view(column("getResourceKey()", name="pid"), column(path, "boolean", "active"))


def test_a_kept_copy_ends_with_the_view_definition(tmp_path):
    path = written(tmp_path / "rows.ndjson", ANNA, CARL)
    for body, expected in ((own(), {1, 0}), (own("active"), {1, 0}), (own("active.exists().not()"), {0})):
        spec = SourceSpec(kind="fhir", path=path, view_definition=definition(body))
        with open_table(spec, TABLE, site_key=KEY, threads=1, copies=tmp_path / "copies") as source:
            found = {row[-1] for row in source.every_row(["active"]).tolist()}
        assert found == expected


def test_the_columns_are_told_without_a_row(tmp_path):
    path = written(tmp_path / "rows.ndjson", ANNA)
    good = SourceSpec(kind="fhir", path=path, view_definition=definition(own()))
    lacking = replace(good, view_definition=definition(view(column("id", name="pid"))))
    for text in ("", "no JSON\n", json.dumps(ANNA) + "\n"):
        path.write_text(text)
        assert opening_faults(good, TABLE) == ()
        assert [(each.code, each.column) for each in public_faults(lacking, TABLE)] == [
            ("column-missing", "active")
        ]


def test_a_site_file_and_init_take_the_definition(tmp_path):
    (tmp_path / "view.json").write_text(json.dumps(own()))
    path = written(tmp_path / "rows.ndjson", ANNA)
    table = SiteTable(source="rows.ndjson", view_definition="view.json")
    spec = table.spec(tmp_path)
    assert spec.kind == "fhir"
    assert read(spec) == [("Patient/anna", True)]
    assert settings_of(table, tmp_path) == {"view_definition": str(tmp_path / "view.json")}
    settings = read_settings([f"anna.view_definition={tmp_path}/view.json"], ["anna"])["anna"]
    found = site_rows("anna", path, settings=settings, view="SELECT * FROM source")
    assert read(found.rows) == [("Patient/anna", True)]
    with pytest.raises(ValueError, match="FHIR resources need one"):
        SiteTable(source="rows.ndjson")
    (tmp_path / "view.json").write_text(json.dumps(own("a.b()")))
    with pytest.raises(SchemaMismatchError, match=r"view.json: 1 mistake"):
        table.spec(tmp_path)
    with pytest.raises(ConfigError, match=r"anna: view.json: 1 mistake"):
        site_rows("anna", path, settings=settings, view="SELECT * FROM source")
    (tmp_path / "rows.csv").write_text("a\n1\n")
    with pytest.raises(SchemaMismatchError, match="go together"):
        SourceSpec(kind="csv", path=tmp_path / "rows.csv", view_definition=definition(own()))
    with pytest.raises(SchemaMismatchError, match="go together"):
        SourceSpec(kind="fhir", path=path)


MAPPING = """version = 1
[table.columns.pid]
[table.columns.born]
type = "text"
[table.join.labs]
on = {pid = "pid"}
[inputs.labs]
file = "export"
view_definition = "labs.json"
[inputs.labs.columns.pid]
[inputs.labs.columns.value]
type = "number"
[inputs.labs.rollup]
by = ["pid"]
[inputs.labs.rollup.columns]
highest = {take = "max", of = "value"}
"""


def test_several_views_are_joined_by_a_mapping(tmp_path):
    (tmp_path / "export").mkdir()
    observed = {"resourceType": "Observation", "subject": {"reference": "Patient/anna"}}
    values = ({**observed, "valueQuantity": {"value": value}} for value in (5.5, 7.25, 6))
    written(tmp_path / "export" / "Observation.ndjson", *values)
    written(tmp_path / "export" / "Patient.ndjson", ANNA, BERT)
    patients = view(column("getResourceKey()", name="pid"), column("birthDate", "date", "born"))
    value = column("value.ofType(Quantity).value", "decimal", "value")
    labs = {**view(column("subject.getReferenceKey(Patient)", name="pid"), value), "resource": "Observation"}
    (tmp_path / "labs.json").write_text(json.dumps(labs))
    (tmp_path / "mapping.toml").write_text(MAPPING)
    mapping = read_mapping(tmp_path / "mapping.toml")
    spec = SourceSpec(
        kind="fhir", path=tmp_path / "export", view_definition=definition(patients), mapping=mapping
    )
    found = read(spec)
    assert [(str(pid), born, highest and float(highest)) for pid, born, highest in sorted(found)] == [
        ("Patient/anna", "1980-05", 7.25),
        ("Patient/bert", "1981-02-03", None),
    ]
    (tmp_path / "labs.json").write_text(json.dumps({**labs, "where": [{"path": "status = 'final'"}]}))
    assert read_mapping(tmp_path / "mapping.toml").digest != mapping.digest
    (tmp_path / "labs.json").write_text(json.dumps({**labs, "where": [{"path": "a.b()"}]}))
    with pytest.raises(
        MappingError, match=r"inputs.labs: labs.json: 1 mistake in the ViewDefinition: where\[0\]"
    ):
        read_mapping(tmp_path / "mapping.toml")
