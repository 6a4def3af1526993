"""Four hospitals that write their tables each in its own way: after harmonising the clean rows and the joint answers are those
of the published files."""

import csv
import io
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

import federation
from analytics.harmonise.reading import read_mapping
from analytics.schema import Schema
from analytics.sources import CellRules, SourceSpec, open_table
from analytics.sources.preparation.mapped import check_mapping
from analytics.statistics.blocks import MISSING
from tests.harmonise.harmonise_world import numeric, site, table
from tests.harmonise.hospitals import HOSPITALS, VIEWS, rows_of

DEMO = Path(__file__).resolve().parents[2] / "federation" / "demo" / "data"
THYROID = Path(__file__).resolve().parents[1] / "data" / "thyroid"
SHAPE = tomllib.loads((DEMO / "schema.toml").read_text("utf-8"), parse_float=Decimal)
TABLE = Schema.from_dict(SHAPE).tables["patients"]
NAMES = (
    "age",
    "sex",
    "cp",
    "trestbps",
    "chol",
    "fbs",
    "ecg_abnormal",
    "thalach",
    "exang",
    "oldpeak",
    "disease",
)


def published(name):
    """The published rows on the schema's grid, counted; written without any code of the project."""

    def whole(text, steps=1):
        return round(Decimal(text) * steps) if text else MISSING

    def bounded(text, low, high):
        return min(max(int(Decimal(text)), low), high) if text and Decimal(text) != 0 else MISSING

    found = Counter()
    for row in rows_of(name):
        found[
            (
                whole(row["age"]),
                {"0": 0, "1": 1}[row["sex"]],
                int(row["cp"]) - 1 if row["cp"] else MISSING,
                bounded(row["trestbps"], 60, 240),
                bounded(row["chol"], 60, 620),
                whole(row["fbs"]),
                {"": MISSING, "0": 0, "1": 1, "2": 1}[row["restecg"]],
                bounded(row["thalach"], 40, 240),
                whole(row["exang"]),
                whole(row["oldpeak"], 10),
                int(int(row["num"]) > 0),
            )
        ] += 1
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    found = {}
    for name, disguise in HOSPITALS.items():
        folder = tmp_path_factory.mktemp(name)
        text, how = disguise(folder)
        (folder / "mapping.toml").write_text(text, "utf-8")
        cells = CellRules(decimal=how.pop("decimal", "."))
        found[name] = SourceSpec(
            kind="csv",
            path=folder / f"{name}.csv",
            mapping=read_mapping(folder / "mapping.toml"),
            view=VIEWS.get(name, "SELECT * FROM source"),
            cells=cells,
            **how,
        )
    return found


@pytest.mark.parametrize("name", HOSPITALS)
def test_the_clean_rows_are_those_of_the_published_file(sources, name):
    with open_table(sources[name], TABLE, site_key=b"k" * 16) as source:
        rows = source.every_row(NAMES)[:, 1:].tolist()
    assert Counter(map(tuple, rows)) == published(name)


def test_joint_exact_answers_equal_the_reference(sources):
    reference = __import__("json").loads((DEMO / "reference.json").read_text("utf-8"))
    policy = {"minimum_cell": 0, "nested_supports": "allow"}
    with federation.local(sources, schema=SHAPE, policy=policy) as session:
        by_pain = session.sql(
            "SELECT cp, disease, COUNT(*) AS n FROM patients GROUP BY cp, disease", exact=True
        ).frame
        whole = session.sql(
            "SELECT COUNT(*) AS n, AVG(age) AS age, STDDEV(age) AS sd, AVG(chol) AS chol FROM patients",
            exact=True,
        ).frame
    places = {"typical": "1", "atypical": "2", "non_anginal": "3", "asymptomatic": "4"}
    found = {
        (places[row.cp], str(int(row.disease))): row.n
        for row in by_pain.itertuples()
        if str(row.cp) in places
    }
    table_ = reference["cp_disease"]["table"]
    assert found == {(cp, sick): n for cp, counts in table_.items() for sick, n in counts.items()}
    age = reference["stats"]["columns"]["age"]
    assert whole["n"][0] == 920
    assert whole["age"][0] == pytest.approx(age["mean"], rel=1e-6)
    assert whole["sd"][0] == pytest.approx(age["std"], rel=1e-6)
    values = [int(row["chol"]) for name in HOSPITALS for row in rows_of(name) if row["chol"] not in {"", "0"}]
    assert whole["chol"][0] == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_what_each_step_touched_is_counted(sources):
    done = check_mapping(sources["hungary"], {})
    steps = {step.what: (step.rows_before, step.rows_after) for step in done.steps}
    assert steps["duplicates"] == (294 + 30, 294)
    touched = {rule: count for step in done.steps for rule, count in step.touched.items()}
    known = sum(row["chol"] != "" for row in rows_of("hungary"))
    doubled = 30
    assert touched["column chol: mmol/L to mg/dL"] == known + doubled


def test_ages_of_more_than_a_lifetime_and_columns_that_are_wholly_missing_are_seen(tmp_path):
    beyond, bounds = 0, {"low": 0, "high": 120}
    for path in sorted(THYROID.glob("*.csv")):
        text = path.read_text("utf-8")
        mapping = (
            f'[table.columns.age]\ntype = "number"\nrange = {{low = {bounds["low"]}, high = {bounds["high"]}}}\n'
            '[table.columns.TBG]\ntype = "number"\n[table.missing.TBG]\nrule = "flag"\nflag = "no_tbg"\n'
        )
        spec = site(tmp_path / path.stem, mapping, text)
        done = check_mapping(spec, {})
        touched = {rule: count for step in done.steps for rule, count in step.touched.items()}
        beyond += touched["column age: values outside the range, now missing"]
        rows = list(csv.DictReader(io.StringIO(text)))
        assert touched["column TBG: missing, flagged"] == sum(not row["TBG"] for row in rows)
        with open_table(spec, table(numeric("age", "0", "120")), site_key=b"k" * 16) as source:
            ages = source.every_row(["age"])[:, 1]
            assert max(ages) <= 120
    assert beyond == 4
