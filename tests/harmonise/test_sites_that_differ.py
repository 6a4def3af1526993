"""Four hospitals that write their tables each in its own way, each with one thing that differs: column and reason are named to
the site's administrator at a start, by the doctor and by the mapping's check; the analyst learns the schema's column alone."""

import re

import pytest

import federation
from analytics.errors import SchemaMismatchError
from analytics.harmonise.reading import read_mapping
from analytics.sources import CellRules, SourceSpec, open_table
from analytics.sources.dry_opening import opening_faults
from federation.consortium.site_file import load_site
from federation.diagnostics.site_data import empty_levels, examine_data
from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup
from tests.harmonise.hospitals import HOSPITALS, VIEWS
from tests.harmonise.test_heart_disease import DEMO, SHAPE, TABLE

KEY = b"k" * 16
ASYMPTOMATIC = ', 4 = "asymptomatic"'


def without(section):
    return lambda text: re.sub(rf"\[table\.columns\.{section}\]\n(?:(?!\[).*\n)*", "", text)


def replaced(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new)

    return change


def source(folder, name, change=lambda text: text, change_file=lambda text: text):
    """A hospital's source with its mapping and its file changed."""
    folder.mkdir(exist_ok=True)
    text, how = HOSPITALS[name](folder)
    (folder / "mapping.toml").write_text(change(text), "utf-8")
    path = folder / f"{name}.csv"
    path.write_text(change_file(path.read_text("utf-8")), "utf-8")
    cells = CellRules(decimal=how.pop("decimal", "."))
    view = VIEWS.get(name, "SELECT * FROM source")
    mapping = read_mapping(folder / "mapping.toml")
    return SourceSpec(kind="csv", path=path, mapping=mapping, view=view, cells=cells, **how)


def said(spec):
    return [(fault.code, fault.column) for fault in opening_faults(spec, TABLE)]


@pytest.mark.parametrize("name", HOSPITALS)
def test_a_site_that_fits_has_no_fault(name, tmp_path):
    assert said(source(tmp_path, name)) == []


DIFFERENT = {
    "a column that the mapping leaves out": ("cleveland", without("chol"), [("column-missing", "chol")]),
    "two columns": (
        "switzerland",
        lambda text: without("thalach")(without("oldpeak")(text)),
        [("column-missing", "thalach"), ("column-missing", "oldpeak")],
    ),
    "a level without a word": (
        "cleveland",
        replaced(ASYMPTOMATIC, ""),
        [("level-missing", "cp")],
    ),
    "a level with a typo": (
        "cleveland",
        replaced(ASYMPTOMATIC, ', 4 = "without_pain"'),
        [("level-unknown", "cp"), ("level-missing", "cp")],
    ),
    "a date where the schema has a number": (
        "hungary",
        replaced('age = "years_between(szuletett, felvetel)"', 'age = "szuletett"'),
        [("column-type", "age")],
    ),
}


@pytest.mark.parametrize(("name", "change", "expected"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_named_by_the_schemas_column(name, change, expected, tmp_path):
    spec = source(tmp_path, name, change)
    faults = opening_faults(spec, TABLE)
    assert [(fault.code, fault.column) for fault in faults] == expected
    assert all(fault.reason.startswith(f"{name}.csv, column {fault.column}: ") for fault in faults)
    if any(code.startswith("column") for code, _ in expected):
        with pytest.raises(SchemaMismatchError) as refused:
            open_table(spec, TABLE, site_key=KEY)
        assert all(f"column {column}" in str(refused.value) for _, column in expected)
    else:
        open_table(spec, TABLE, site_key=KEY).close()  # a level alone refuses nothing: its rows are counted


def test_a_level_without_a_word_is_listed_and_a_level_of_no_patient_too(tmp_path):
    (fault,) = opening_faults(source(tmp_path / "a", "cleveland", replaced(ASYMPTOMATIC, "")), TABLE)
    assert fault.reason.endswith("no word or code of the mapping gives: asymptomatic")
    unknown, _ = opening_faults(
        source(tmp_path / "b", "cleveland", replaced(ASYMPTOMATIC, ', 4 = "without_pain"')), TABLE
    )
    assert "not in the schema's domain, and counts as missing: without_pain" in unknown.reason
    codes = "local,joint\nA,typical\nB,atypical\nC,non_anginal\n"
    spec = source(tmp_path / "c", "switzerland")
    (tmp_path / "c" / "schmerz.csv").write_text(codes)
    again = SourceSpec(kind="csv", path=spec.path, mapping=read_mapping(tmp_path / "c" / "mapping.toml"))
    assert said(again) == [("level-missing", "cp")]


def test_a_column_that_a_file_lacks_is_named_with_the_place_in_the_mapping(tmp_path):
    spec = source(tmp_path, "hungary", change_file=lambda text: text.replace("koleszterin", "chol", 1))
    (fault,) = opening_faults(spec, TABLE)
    assert fault.code == "mapping"
    assert re.search(
        r"column koleszterin: there is no such column in the file; .*mapping.toml, line \d+", fault.reason
    )


def founded(folder, differing, change):
    """A consortium on this machine, where one site differs from the agreement."""
    sites = {}
    for name in HOSPITALS:
        own = folder / "given" / name
        own.mkdir(parents=True)
        spec = source(own, name, change if name == differing else lambda text: text)
        how = {
            "harmonise": str(own / "mapping.toml"),
            "delimiter": spec.delimiter,
            "decimal": spec.cells.decimal,
        }
        sites[name] = SiteSetup(
            tables={"patients": TableSetup(source=spec.path, view=spec.view, format=how)}, policy={}
        )
    terms = ConsortiumSettings(
        name="ours",
        budgets={"cardiology": {"epsilon": "4", "query": {"share": "1"}}},
        schema=(DEMO / "schema.toml").read_text("utf-8"),
        colluding=1,
    )
    return create_consortium(folder / "here", terms=terms, sites=sites)


def test_the_doctor_names_every_column_and_the_level_that_no_patient_has(tmp_path):
    def change(text):
        return without("thalach")(
            without("oldpeak")(text.replace('codes = "schmerz"', 'words = {1 = "typical"}'))
        )

    folders = founded(tmp_path, "switzerland", change)
    found = examine_data(load_site(folders.site("switzerland")))
    mended = [finding.text for finding in found if not finding.is_good]
    assert [text.partition(", ")[2] for text in mended] == [
        "column thalach: is missing from the site's view",
        "column oldpeak: is missing from the site's view",
    ]
    assert any("no word or code of the mapping gives: atypical" in finding.text for finding in found)
    good = examine_data(load_site(folders.site("va_long_beach")))
    assert all(finding.is_good for finding in good)
    men = source(tmp_path / "men", "cleveland", replaced('0 = "F"', '0 = "M"'))
    with open_table(men, TABLE, site_key=KEY) as opened:
        assert [finding.text for finding in empty_levels(opened)] == ["column sex: no row has F"]


def test_the_analyst_learns_the_column_of_the_schema_and_nothing_of_the_sites_words(tmp_path):
    specs = {name: source(tmp_path / name, name) for name in HOSPITALS}
    with federation.local(
        specs,
        schema=SHAPE,
        engine="numpy",
        harmonise={name: tmp_path / name / "mapping.toml" for name in HOSPITALS},
    ) as session:
        assert session.preflight().is_ready
        path = tmp_path / "hungary" / "mapping.toml"
        path.write_text(without("chol")(path.read_text("utf-8")), "utf-8")
        path = tmp_path / "cleveland" / "mapping.toml"
        path.write_text(path.read_text("utf-8").replace(ASYMPTOMATIC, ""), "utf-8")
        path = tmp_path / "switzerland" / "mapping.toml"
        path.write_text(path.read_text("utf-8").replace('unit = "cm"', 'unit = "furlong"'), "utf-8")
        found = session.preflight("SELECT AVG(chol) AS m FROM patients", epsilon=0.5)
        assert [(each.node, each.code, each.column) for each in found.findings] == [
            ("cleveland", "level-missing", "cp"),
            ("hungary", "column-missing", "chol"),
            ("switzerland", "mapping", ""),
        ]
        assert [each.is_fault for each in found.findings] == [False, True, True]
        assert not {"koleszterin", "furlong", "Chol", "asymptomatic"} & set(
            re.findall(r"\w+", str(found.to_dict()))
        )
