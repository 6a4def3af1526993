"""The four hospitals of heart_disease as they might write their own tables: other names, units, codes, dates, files."""

import csv
import io
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "federation" / "demo" / "data" / "heart_disease"
MMOL = Decimal("38.6664")  # mg/dL of cholesterol in 1 mmol/L
KPA = Decimal("0.133322")  # kPa in 1 mm[Hg]
HEAD = "version = 1\n"


def rows_of(name):
    return list(csv.DictReader(io.StringIO((DATA / f"{name}.csv").read_text("utf-8"))))


def number(value, rounded="0.0001"):
    return str(value.quantize(Decimal(rounded)))


def written(folder, name, columns, rows, delimiter=","):
    with (folder / name).open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        out.writerow(columns)
        out.writerows(rows)


COMMON = """
[table.columns.fbs]
type = "boolean"
{fbs}
[table.columns.exang]
type = "boolean"
{exang}
[table.columns.num]
type = "number"
{num}
[table.derive]
disease = "num > 0"
"""


def cleveland(folder):
    """As published: number codes; cholesterol of 0 means not measured, and so does a pressure of 0."""
    rows = rows_of("cleveland")
    written(folder, "cleveland.csv", rows[0], [row.values() for row in rows])
    mapping = """
[table.columns.age]
type = "number"
[table.columns.sex]
words = {1 = "M", 0 = "F"}
[table.columns.cp]
words = {1 = "typical", 2 = "atypical", 3 = "non_anginal", 4 = "asymptomatic"}
[table.columns.trestbps]
type = "number"
missing = ["0"]
[table.columns.chol]
type = "number"
missing = ["0"]
[table.columns.ecg_abnormal]
from = "restecg"
type = "boolean"
yes = ["1", "2"]
no = ["0"]
[table.columns.thalach]
type = "number"
[table.columns.oldpeak]
type = "number"
"""
    return HEAD + mapping + COMMON.format(fbs="", exang="", num=""), {}


def hungary(folder):
    """Semicolons, decimal commas, mmol/L and kPa, a date of birth, every tenth record sent twice with an older stamp."""
    rows = []
    for place, row in enumerate(rows_of("hungary")):
        chol = number(Decimal(row["chol"]) / MMOL).replace(".", ",") if row["chol"] else "n.b."
        pressure = number(Decimal(row["trestbps"]) * KPA).replace(".", ",") if row["trestbps"] else "n.b."
        born = f"15.06.{1988 - int(row['age'])}"
        record = [
            place,
            born,
            "01.12.1988",
            row["sex"].replace("1", "férfi").replace("0", "nő"),
            row["cp"],
            pressure,
        ]
        record += [
            chol,
            row["fbs"],
            row["restecg"],
            row["thalach"],
            row["exang"],
            row["oldpeak"].replace(".", ","),
        ]
        record.append(row["num"])
        rows.append([*record, "02.12.1988"])
        if place % 10 == 0:
            old = [*record, "01.12.1988"]
            old[6] = "1,0000"  # a first value, corrected later
            rows.insert(0, old)
    names = [
        "szam",
        "szuletett",
        "felvetel",
        "nem",
        "cp",
        "vernyomas",
        "koleszterin",
        "fbs",
        "ekg",
        "pulzus",
        "exang",
        "oldpeak",
        "num",
        "rogzitve",
    ]
    written(folder, "hungary.csv", names, rows, ";")
    mapping = """
[table]
person = "szam"
[table.columns.szam]
[table.columns.rogzitve]
type = "date"
formats = ["%d.%m.%Y"]
[table.columns.szuletett]
type = "date"
formats = ["%d.%m.%Y"]
[table.columns.felvetel]
type = "date"
formats = ["%d.%m.%Y"]
[table.columns.sex]
from = "nem"
words = {"férfi" = "M", "nő" = "F"}
[table.columns.cp]
words = {1 = "typical", 2 = "atypical", 3 = "non_anginal", 4 = "asymptomatic"}
[table.columns.trestbps]
from = "vernyomas"
type = "number"
missing = ["n.b."]
unit = "kPa"
to_unit = "mm[Hg]"
analyte = "blood_pressure"
[table.columns.chol]
from = "koleszterin"
type = "number"
missing = ["n.b."]
unit = "mmol/L"
to_unit = "mg/dL"
analyte = "cholesterol"
range = {low = 1}
[table.columns.ecg_abnormal]
from = "ekg"
type = "boolean"
yes = ["1", "2"]
no = ["0"]
[table.columns.thalach]
from = "pulzus"
type = "number"
[table.columns.oldpeak]
type = "number"
[table.duplicates]
key = ["szam"]
keep = "newest"
by = "rogzitve"
"""
    common = COMMON.format(fbs="", exang="", num="")
    return HEAD + mapping + common + 'age = "years_between(szuletett, felvetel)"\n', {
        "delimiter": ";",
        "decimal": ",",
    }


def switzerland(folder):
    """A unit for each row, chest pain in a local code list, ST depression in cm, yes and no in German."""
    code = {"1": "TYP", "2": "ATYP", "3": "NICHT", "4": "OHNE", "": ""}
    word = {"1": "ja", "0": "nein", "": ""}
    rows = []
    for place, row in enumerate(rows_of("switzerland")):
        is_si = place % 2 == 0
        chol = number(Decimal(row["chol"]) / MMOL) if is_si and row["chol"] else row["chol"]
        peak = str(Decimal(row["oldpeak"]) / 10) if row["oldpeak"] else ""
        rows.append(
            [
                row["age"],
                "m" if row["sex"] == "1" else "w",
                code[row["cp"]],
                row["trestbps"],
                chol,
                "mmol/l" if is_si else "mg/dl",
                word[row["fbs"]],
                row["restecg"],
                row["thalach"],
                word[row["exang"]],
                peak,
                row["num"],
            ]
        )
    names = [
        "Alter",
        "Geschlecht",
        "Schmerz",
        "RR",
        "Chol",
        "Einheit",
        "NBZ",
        "EKG",
        "Frequenz",
        "AP",
        "ST",
        "Befund",
    ]
    written(folder, "switzerland.csv", names, rows)
    pairs = [("TYP", "typical"), ("ATYP", "atypical"), ("NICHT", "non_anginal"), ("OHNE", "asymptomatic")]
    written(folder, "schmerz.csv", ["local", "joint"], pairs)
    mapping = """
[codes.schmerz]
file = "schmerz.csv"
source = "local"
target = "joint"
[table.columns.age]
from = "Alter"
type = "number"
[table.columns.sex]
from = "Geschlecht"
words = {m = "M", w = "F"}
[table.columns.cp]
from = "Schmerz"
codes = "schmerz"
unmapped = "refuse"
[table.columns.trestbps]
from = "RR"
type = "number"
missing = ["0"]
[table.columns.chol]
from = "Chol"
type = "number"
missing = ["0", "0.0000"]
unit_from = "Einheit"
unit_words = {"mmol/l" = "mmol/L", "mg/dl" = "mg/dL"}
to_unit = "mg/dL"
analyte = "cholesterol"
[table.columns.ecg_abnormal]
from = "EKG"
type = "boolean"
yes = ["1", "2"]
no = ["0"]
[table.columns.thalach]
from = "Frequenz"
type = "number"
[table.columns.oldpeak]
from = "ST"
type = "number"
unit = "cm"
to_unit = "mm"
"""
    words = 'yes = ["ja"]\nno = ["nein"]'
    common = COMMON.format(fbs=f'from = "NBZ"\n{words}', exang=f'from = "AP"\n{words}', num='from = "Befund"')
    return HEAD + mapping + common, {}


def va_long_beach(folder):
    """Two tables: patients, and one line for each measurement with its date, of which some are taken anew."""
    patients, lines = [], []
    for place, row in enumerate(rows_of("va_long_beach")):
        key = f"VA-{place:04d}"
        names = ("age", "sex", "cp", "fbs", "restecg", "exang", "oldpeak", "num")
        patients.append([key, "1987-03-01", *(row[name] for name in names)])
        for kind in ("chol", "trestbps", "thalach"):
            if row[kind]:
                lines.append([key, kind, "1987-02-20", row[kind]])
                lines.append([key, kind, "1987-01-01", "199"])  # an earlier one
                lines.append([key, kind, "1987-03-05", "198"])  # after the index date
    written(
        folder,
        "va_long_beach.csv",
        ["key", "admitted", "age", "sex", "cp", *["fbs", "restecg", "exang", "oldpeak", "num"]],
        patients,
    )
    written(folder, "measurements.csv", ["key", "kind", "day", "value"], lines)
    last = "\n".join(
        f'{kind} = {{take = "last", of = "{kind}_value"}}' for kind in ("chol", "trestbps", "thalach")
    )
    derived = "\n".join(
        f"{kind}_value = \"CASE kind WHEN '{kind}' THEN value END\""
        for kind in ("chol", "trestbps", "thalach")
    )
    mapping = f"""
[table]
person = "key"
[inputs.index]
file = "va_long_beach.csv"
[inputs.index.columns.key]
[inputs.index.columns.admitted]
type = "date"
[inputs.measurements]
file = "measurements.csv"
[inputs.measurements.columns.key]
[inputs.measurements.columns.kind]
[inputs.measurements.columns.day]
type = "date"
[inputs.measurements.columns.value]
type = "number"
[inputs.measurements.join.index]
on = {{key = "key"}}
[inputs.measurements.derive]
{derived}
[inputs.measurements.rollup]
by = ["key"]
order = "day"
window = {{date = "day", before = "admitted", days = 90}}
[inputs.measurements.rollup.columns]
{last}
[table.join.measurements]
on = {{key = "key"}}
[table.columns.key]
[table.columns.age]
type = "number"
[table.columns.sex]
words = {{1 = "M", 0 = "F"}}
[table.columns.cp]
words = {{1 = "typical", 2 = "atypical", 3 = "non_anginal", 4 = "asymptomatic"}}
[table.columns.ecg_abnormal]
from = "restecg"
type = "boolean"
yes = ["1", "2"]
no = ["0"]
[table.columns.oldpeak]
type = "number"
"""
    zero = '\nchol_measured = {expression = "chol", range = {low = 1}}\npressure = {expression = "trestbps", range = {low = 1}}\n'
    return HEAD + mapping + COMMON.format(fbs="", exang="", num="") + zero, {}


HOSPITALS = {
    "cleveland": cleveland,
    "hungary": hungary,
    "switzerland": switzerland,
    "va_long_beach": va_long_beach,
}
VIEWS = {
    "va_long_beach": "SELECT * EXCLUDE (chol, trestbps), chol_measured AS chol, pressure AS trestbps FROM source"
}
