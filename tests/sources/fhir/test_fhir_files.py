"""FHIR resources as a source: what a ViewDefinition may say, what becomes of each value, and what is refused, by its place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analytics.errors import SchemaMismatchError
from analytics.sources import CellRules, SourceSpec
from analytics.sources.formats import kind_of
from analytics.sources.formats.fhir import ViewDefinition
from analytics.sources.formats.fhir.ndjson_file import REFUSALS
from analytics.sources.inspection import inspected

CANARY = "CANARY73519"
ANNA = {
    "resourceType": "Patient",
    "id": "anna",
    "birthDate": "1980-05",
    "active": True,
    "multipleBirthInteger": 2,
    "name": [
        {"use": "official", "family": "Å", "given": ["A", None, "B"]},
        {"use": "nickname", "given": ["Ann"]},
    ],
    "extension": [{"url": "http://x.org/sex", "valueCode": "F"}],
    "managingOrganization": {"reference": "Organization/o1/_history/3"},
    "generalPractitioner": [
        {"reference": "Practitioner/p1"},
        {"reference": "#inside"},
        {"reference": "Group/p1"},
    ],
    "maritalStatus": {"coding": [{"code": "M"}]},
}
BERT = {
    "resourceType": "Patient",
    "id": "bert",
    "birthDate": "1981-02-03",
    "deceasedDateTime": "2020-01-01T01:00:00+02:00",
}
CARL = {
    "resourceType": "Patient",
    "id": "carl",
    "active": False,
    "deceasedBoolean": True,
    "name": {"family": "one"},
}
OTHER = {"resourceType": "Observation", "id": "o", "name": [1, 2, 3]}


def column(path: str, kind: str = "", name: str = "x") -> dict:
    return {"name": name, "path": path} | ({"type": kind} if kind else {})


def view(*columns: dict, **keys: object) -> dict:
    return {"resource": "Patient", "select": [{"column": list(columns)}], **keys}


def definition(body: dict) -> ViewDefinition:
    return ViewDefinition.of(json.dumps(body).encode(), "view.json")


def written(place: Path, *resources: dict) -> Path:
    place.write_text("".join(json.dumps(each) + "\n" for each in resources), "utf-8")
    return place


def rows(folder: Path, body: dict, *resources: dict) -> list[tuple]:
    path = written(folder / "rows.ndjson", *(resources or (ANNA, OTHER, BERT, CARL)))
    spec = SourceSpec(kind="fhir", path=path, view_definition=definition(body))
    return read(spec)


def read(spec: SourceSpec) -> list[tuple]:
    with inspected(spec, name="a", view="SELECT * FROM source", cells=CellRules()) as connection:
        return connection.execute("SELECT * FROM source").fetchall()


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("id", "id", ["anna", "bert", "carl"]),
        ("Patient.id", "id", ["anna", "bert", "carl"]),
        ("birthDate", "date", ["1980-05", "1981-02-03", None]),
        ("birthDate < @1980-06", "", [True, False, None]),
        ("birthDate = @1980-05-06", "boolean", [None, False, None]),
        ("birthDate.exists() and birthDate != @1981-02", "", [True, None, False]),
        ("deceased.exists()", "", [False, True, True]),
        ("deceased.ofType(boolean)", "boolean", [None, None, True]),
        ("deceased.ofType(dateTime)", "dateTime", [None, "2020-01-01T01:00:00+02:00", None]),
        ("deceased.ofType(dateTime) < @2020-01-01T00:00:00Z", "", [None, True, None]),
        ("deceased.ofType(dateTime) < @2020-01-01", "", [None, None, None]),
        ("multipleBirth.ofType(integer)", "integer", [2, None, None]),
        ("multipleBirth.ofType(integer) > 1.5", "", [True, None, None]),
        ("active.not()", "", [False, None, True]),
        ("active or deceased.ofType(boolean)", "", [True, None, True]),
        ("name[1].use", "code", ["nickname", None, None]),
        ("name.where(use = 'official').given.first()", "", ["A", None, None]),
        ("name.given.join(' ')", "", ["A B Ann", "", ""]),
        ("name.family.join()", "", ["Å", "", "one"]),
        ("name.exists(use = 'nickname' and given = 'Ann')", "", [True, False, False]),
        ("name.where(given.empty()).family", "", [None, None, "one"]),
        ("name.family = 'Å'", "", [True, None, False]),
        ("extension('http://x.org/sex').value.ofType(code).first()", "code", ["F", None, None]),
        ("extension.where(url = 'http://x.org/sex').value.exists()", "", [True, False, False]),
        ("getResourceKey()", "", ["Patient/anna", "Patient/bert", "Patient/carl"]),
        ("managingOrganization.getReferenceKey(Organization)", "", ["Organization/o1", None, None]),
        ("generalPractitioner.getReferenceKey(Practitioner)", "", ["Practitioner/p1", None, None]),
        ("generalPractitioner.getReferenceKey().join(';')", "", ["Practitioner/p1;Group/p1", "", ""]),
        ("maritalStatus.coding.code", "", ["M", None, None]),
        ("`maritalStatus`.coding[0].exists()", "", [True, False, False]),
        ("nothing.of.the.kind.first()", "", [None] * 3),
        ("'it\\'s' = 'it\\u0027s'", "", [True] * 3),
        ("%limit", "integer", [9007199254740993] * 3),
        ("%limit = 9007199254740992", "", [False] * 3),
        ("-1 < 2", "", [True] * 3),
    ],
)
def test_a_path_gives_what_the_standard_says(path, kind, expected, tmp_path):
    body = view(column(path, kind), constant=[{"name": "limit", "valueInteger64": 2**53 + 1}])
    assert [row[0] for row in rows(tmp_path, body)] == expected


def test_selects_give_rows_as_the_standard_says(tmp_path):
    names = [column("use", "code", "use"), column("given.first()", "string", "given")]
    each = {"forEach": "name", "column": names}
    key = column("id", "id", "id")
    assert rows(tmp_path, {"resource": "Patient", "select": [{"column": [key]}, each]}) == [
        ("anna", "official", "A"),
        ("anna", "nickname", "Ann"),
        ("carl", None, None),
    ]
    every = {
        "forEachOrNull": "name",
        "column": names,
        "select": [{"forEach": "given", "column": [column("$this")]}],
    }
    assert rows(tmp_path, {"resource": "Patient", "select": [{"column": [key], "select": [every]}]}) == [
        ("anna", "official", "A", "A"),
        ("anna", "official", "A", "B"),
        ("anna", "nickname", "Ann", "Ann"),
        ("bert", None, None, None),
    ]
    union = {"unionAll": [{"column": [column("id")]}, {"forEach": "name.given", "column": [column("$this")]}]}
    where = [{"path": "active"}, {"path": "name.given.exists()"}]
    assert rows(tmp_path, {"resource": "Patient", "select": [union], "where": where}) == [
        ("anna",),
        ("A",),
        ("B",),
        ("Ann",),
    ]


def test_a_column_has_its_declared_type_and_no_row_decides_it(tmp_path):
    columns = [
        column("id", "id", "id"),
        column("n", "integer", "n"),
        column("p", "decimal", "p"),
        column("d", "date", "d"),
    ]
    found = definition(view(*columns, column("b", "boolean", "b")))
    assert found.types == ("VARCHAR", "BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN")
    none = rows(tmp_path, view(*columns), {"resourceType": "Patient"})
    assert none == [(None, None, None, None)]
    assert rows(tmp_path, view(*columns), {"resourceType": "Patient", "n": 1, "p": 1, "d": "1980"}) == [
        (None, 1, 1.0, "1980")
    ]
    assert rows(tmp_path, view(*columns), OTHER) == []


@pytest.mark.parametrize(
    ("body", "where", "reason"),
    [
        ({"resource": "Patient"}, "select", "missing"),
        (view(column("id"), wheer=[]), "wheer", "no such key"),
        (view({**column("id"), "typ": "id"}), "select[0].column[0].typ", "no such key"),
        (view(column("id"), modifierExtension=[]), "modifierExtension", "no such key"),
        (view(column("id"), fhirVersion=["5.0.0"]), "", "read as R4"),
        (view(column("id", name="_x")), "select[0].column[0].name", "no name"),
        (view(column("id", "Quantity")), "select[0].column[0]", "Quantity is no primitive type"),
        (view({**column("name"), "collection": True}), "select[0].column[0]", "a cell holds one value"),
        (view(column("id"), column("id", name="X")), "select", "two columns are called x"),
        (
            {"resource": "Patient", "select": [{"repeat": ["item"], "column": [column("id")]}]},
            "select[0]",
            "repeat",
        ),
        (
            {"resource": "Patient", "select": [{"forEach": "a", "forEachOrNull": "b", "column": []}]},
            "",
            "one of both",
        ),
        ({"resource": "Patient", "select": [{}]}, "select[0]", "has a column, select or unionAll"),
        (view(column("id"), constant=[{"name": "a"}]), "constant[0]", "one value"),
        (
            view(column("id"), constant=[{"name": "a", "valueInteger": "1"}]),
            "constant[0]",
            "this is no number",
        ),
        (view(column("id"), constant=[{"name": "a", "valueQuantity": {}}]), "constant[0]", "valueQuantity"),
        (view(column("id"), where=[{"path": "'a'"}]), "where[0].path", "a condition is a boolean"),
        (
            view(column("name.lowBoundary()")),
            "select[0].column[0] (x)",
            "at character 6: the function lowBoundary()",
        ),
        (view(column("a + b")), "select[0].column[0] (x)", "at character 3: the operator + is not supported"),
        (view(column("name | contact")), "select[0].column[0] (x)", "the operator | is not supported"),
        (view(column("(a xor b)")), "select[0].column[0] (x)", "the operator xor is not supported"),
        (view(column("a as Quantity")), "select[0].column[0] (x)", "the operator as is not supported"),
        (view(column("%rowIndex")), "select[0].column[0] (x)", "%rowIndex is not supported"),
        (view(column("%nothing")), "select[0].column[0] (x)", "there is no constant nothing"),
        (view(column("value.ofType(Quanttiy)")), "select[0].column[0] (x)", "R4 has no data type Quanttiy"),
        (
            view(column("name.first().ofType(string)")),
            "select[0].column[0] (x)",
            "follows the name of an element",
        ),
        (view(column("birthDate < '1980-01-01'")), "select[0].column[0] (x)", "@1980-05-06"),
        (
            view(column("a.ofType(date) = 1")),
            "select[0].column[0] (x)",
            "compares a date or time with a number",
        ),
        (view(column("active < true")), "select[0].column[0] (x)", "does not order booleans"),
        (view(column("name[-1]")), "select[0].column[0] (x)", "a whole number"),
        (view(column("name.where()")), "select[0].column[0] (x)", "takes 1 arguments, not 0"),
        (
            view(column("name.where(getResourceKey() = 'a')")),
            "select[0].column[0] (x)",
            "of the resource itself",
        ),
        (view(column("Observation.id")), "select[0].column[0] (x)", "Patient may stand at a beginning alone"),
        (view(column("name..family")), "select[0].column[0] (x)", "is no element"),
        (view(column("name.")), "select[0].column[0] (x)", "ends too early"),
        (view(column("name family")), "select[0].column[0] (x)", "family cannot follow here"),
        (view(column("'a")), "select[0].column[0] (x)", "nothing begins with '"),
        (view(column("@1980-13x")), "select[0].column[0] (x)", "nothing begins with @"),
        (view(column("(" * 40 + "a" + ")" * 40)), "select[0].column[0] (x)", "brackets within brackets"),
        (view(column("007")), "select[0].column[0] (x)", "nothing begins with 0"),
        (view(column(".".join("a" * 1_900))), "select[0].column[0] (x)", "at most 600 words"),
        (view(column(".".join("a" * 290))), "select[0].column[0] (x)", "this is too long"),
        (view(column("a.where(" * 9 + "b" + ")" * 9)), "select[0].column[0] (x)", "7 at most"),
        (
            view(column("a.exists()", "date")),
            "select[0].column[0] (x)",
            "this is a boolean, and the type date",
        ),
    ],
)
def test_a_definition_is_refused_by_the_place_of_its_mistake(body, where, reason):
    with pytest.raises(SchemaMismatchError) as caught:
        definition(body)
    assert caught.value.reason.startswith(f"1 mistake in the ViewDefinition: {where}")
    assert reason in caught.value.reason


def test_all_mistakes_are_named_at_once_and_what_is_no_json_is_refused():
    with pytest.raises(
        SchemaMismatchError, match=r"3 mistakes .*column\[0\] \(x\).*column\[1\] \(y\)|where.*column.*column"
    ):
        definition(view(column("a.b()"), column("c.d()", name="y"), where=[{"path": "e.f()"}]))
    bad = {
        b"{": "not JSON",
        b'{"a": 1, "a": 2}': "the key a stands twice",
        b"\xff": "not JSON",
        b"[]": "no object",
    }
    bad |= {b'{"a": NaN}': "NaN is no number", b"[" * 100_000: "not JSON", b" " * (1 << 21): "at most"}
    for content, reason in bad.items():
        with pytest.raises(SchemaMismatchError, match=reason):
            ViewDefinition.of(content, "view.json")


@pytest.mark.parametrize(
    ("path", "kind", "what"),
    [
        ("name.family", "", "many"),
        ("name.first()", "", "type"),
        ("id", "integer", "type"),
        ("n", "integer", "type"),
        ("big", "integer64", "type"),
        ("id", "decimal", "type"),
        ("vast", "decimal", "type"),
        ("n", "boolean", "type"),
        ("id", "date", "type"),
        ("birthDate", "dateTime", ""),
        ("birthDate.ofType(date)", "", "choice"),
        ("id = @1980", "", "date"),
        ("id and true", "", "flag"),
        ("numbers.join()", "", "join"),
        ("name = name", "", "many"),
        ("name.first() = name[1]", "", "structure"),
        ("id < n", "", "unlike"),
        ("absolute.getReferenceKey()", "", "reference"),
    ],
)
def test_a_resource_that_does_not_fit_refuses_the_source_by_the_column_and_without_a_value(
    path, kind, what, tmp_path
):
    bad = {
        "resourceType": "Patient",
        "id": CANARY,
        "birthDate": "1980-05",
        "n": 1.5,
        "big": 2**63,
        "vast": 10**400,
        "numbers": [1],
        "name": [{"family": CANARY}, {"family": CANARY}],
        "absolute": {"reference": f"https://{CANARY}.org/Patient/1"},
    }
    if not what:
        assert rows(tmp_path, view(column(path, kind)), bad) == [("1980-05",)]
        return
    with pytest.raises(SchemaMismatchError) as caught:
        rows(tmp_path, view(column("active", name="first"), column(path, kind)), ANNA | {"name": []}, bad)
    assert caught.value.reason == f"view.json, select[0].column[1] (x): {REFUSALS[what]}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"resourceType": "Patient"}\n{"id": "CANARY73519"}\n', 2),
        ('\n\n["CANARY73519"]\n', 3),
        ('{"resourceType": "Bundle", "entry": ["CANARY73519"]}\n', 1),
        ('{"resourceType": 5, "entry": ["CANARY73519"]}\n', 1),
        ('{"resourceType": "Patient"}\n{"id": "CANARY73519"\n', 2),
        ('{\n"resourceType": "CANARY73519"\n}\n', 1),
        ('{"resourceType": "Patient", "id": "CANARY73519\udcff"}\n', 1),
    ],
)
def test_a_line_that_is_no_resource_refuses_the_file_without_its_text(text, line, tmp_path):
    path = tmp_path / "rows.ndjson"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SchemaMismatchError, match=f"line {line} of rows.ndjson is no resource") as caught:
        read(SourceSpec(kind="fhir", path=path, view_definition=definition(view(column("id")))))
    assert CANARY not in str(caught.value)


def test_a_folder_gives_the_files_of_its_resource_alone(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    written(folder / "Patient.001.ndjson", BERT)
    written(folder / "Patient.000.ndjson", ANNA)
    written(folder / "PatientX.ndjson", CARL)
    (folder / "Observation.ndjson").write_text("no JSON at all\n")
    assert kind_of(folder) == "fhir"
    spec = SourceSpec(kind="fhir", path=folder, view_definition=definition(view(column("id"))))
    assert read(spec) == [("anna",), ("bert",)]
    other = definition({**view(column("id")), "resource": "Condition"})
    with pytest.raises(SchemaMismatchError, match=r"holds no Condition.ndjson and no Condition.\*.ndjson"):
        read(replace(spec, view_definition=other))
    written(folder / "Patient.[0].ndjson", CARL)
    with pytest.raises(SchemaMismatchError, match="may not hold any of"):
        read(spec)
