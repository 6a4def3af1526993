"""Four sites of the thyroid records as they might write their own tables: other units, codes, names, dates and words."""

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

from analytics.statistics.blocks import MISSING
from tests.harmonise.hospitals import HEAD, number, written

DATA = Path(__file__).resolve().parents[1] / "data" / "thyroid"
T4 = Decimal("12.872398")  # nmol/L of thyroxine in 1 ug/dL
T3 = Decimal("0.01536183")  # nmol/L of triiodothyronine in 1 ng/dL
NAMES = ("age", "sex", "on_thyroxine", "tsh", "t3", "tt4")
SHAPE = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "max_rows_per_unit": 1,
            "max_sites_per_unit": 1,
            "rows_max": 10_000,
            "exact_dimensions": ["sex", "on_thyroxine"],
            "columns": {
                "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "nullable": True},
                "sex": {"type": "categorical", "domain": ["F", "M"], "nullable": True},
                "on_thyroxine": {"type": "boolean"},
                "tsh": {"type": "numeric", "lower": 0, "upper": 600, "resolution": "0.001", "nullable": True},
                "t3": {"type": "numeric", "lower": 0, "upper": 20, "resolution": "0.001", "nullable": True},
                "tt4": {"type": "numeric", "lower": 0, "upper": 700, "resolution": "0.01", "nullable": True},
            },
        }
    }
}


def rows_of(name):
    return list(csv.DictReader(io.StringIO((DATA / f"{name}.csv").read_text("utf-8"))))


def published(name):
    """The published rows on the schema's grid, counted; written without any code of the project."""

    def grid(text, steps=1):
        exact = Decimal(text) * steps if text else Decimal(MISSING)
        assert abs(exact - round(exact)) < Decimal("0.1"), (
            "no published value is between two of the schema's grid"
        )
        return round(exact)

    return Counter(
        (
            grid(row["age"]) if row["age"] and int(row["age"]) <= 120 else MISSING,
            {"F": 0, "M": 1, "": MISSING}[row["sex"]],
            int(row["on_thyroxine"]),
            grid(row["TSH"], 1000),
            grid(row["T3"], 1000),
            grid(row["TT4"], 100),
        )
        for row in rows_of(name)
    )


MAPPING = """
[table.columns.age]
from = "{age}"
type = "number"
range = {{low = 0, high = 120}}
[table.columns.sex]
from = "{sex}"
{words}
[table.columns.on_thyroxine]
from = "{on}"
type = "boolean"
{truth}
[table.columns.tsh]
from = "{tsh}"
type = "number"
{of_tsh}
[table.columns.t3]
from = "{t3}"
type = "number"
{of_t3}
[table.columns.tt4]
from = "{tt4}"
type = "number"
{of_tt4}
"""
PLAIN = {"age": "age", "sex": "sex", "on": "on_thyroxine", "tsh": "TSH", "t3": "T3", "tt4": "TT4"}
NOTHING = dict.fromkeys(("words", "truth", "of_tsh", "of_t3", "of_tt4"), "")


def unit(local, joint, analyte):
    return f'unit = "{local}"\nto_unit = "{joint}"\nanalyte = "{analyte}"'


def other(folder):
    """As published; ages of 455 among them."""
    rows = rows_of("other")
    written(folder, "other.csv", rows[0], [row.values() for row in rows])
    return HEAD + MAPPING.format(**PLAIN, **NOTHING), {}


def svi(folder):
    """Mass for amount, and a code for sex: 1 and 2."""
    code = {"F": "2", "M": "1", "": ""}
    rows = [
        [
            row["age"],
            code[row["sex"]],
            row["on_thyroxine"],
            row["TSH"],
            number(Decimal(row["T3"]) / T3, "0.000001") if row["T3"] else "",
            number(Decimal(row["TT4"]) / T4, "0.000001") if row["TT4"] else "",
        ]
        for row in rows_of("svi")
    ]
    written(folder, "svi.csv", ["AGE", "SEXCD", "LT4", "TSH", "T3MASS", "T4MASS"], rows)
    names = {"age": "AGE", "sex": "SEXCD", "on": "LT4", "tsh": "TSH", "t3": "T3MASS", "tt4": "T4MASS"}
    rules = {
        "words": 'words = {1 = "M", 2 = "F"}',
        "of_t3": unit("ng/dL", "nmol/L", "triiodothyronine"),
        "of_tt4": unit("ug/dL", "nmol/L", "thyroxine"),
    }
    return HEAD + MAPPING.format(**names, **NOTHING | rules), {}


def svhc(folder):
    """German words, decimal commas, semicolons, TSH in another spelling of its unit, and a word for missing."""
    word, truth = {"F": "weiblich", "M": "männlich", "": "unbekannt"}, {"1": "ja", "0": "nein"}
    rows = [
        [
            row["age"] or "unbekannt",
            word[row["sex"]],
            truth[row["on_thyroxine"]],
            *(row[name].replace(".", ",") or "unbekannt" for name in ("TSH", "T3", "TT4")),
        ]
        for row in rows_of("svhc")
    ]
    written(folder, "svhc.csv", ["Alter", "Geschlecht", "Thyroxin", "TSH", "T3", "T4"], rows, ";")
    names = {"age": "Alter", "sex": "Geschlecht", "on": "Thyroxin", "tsh": "TSH", "t3": "T3", "tt4": "T4"}
    missing = 'missing = ["unbekannt"]'
    rules = {
        "words": f'{missing}\nwords = {{weiblich = "F", "männlich" = "M"}}',
        "truth": 'yes = ["ja"]\nno = ["nein"]',
        "of_tsh": f"{missing}\n{unit('u[IU]/mL', 'm[IU]/L', 'tsh')}",
        "of_t3": missing,
        "of_tt4": missing,
    }
    text = MAPPING.format(**names, **NOTHING | rules).replace("range = {low", f"{missing}\nrange = {{low")
    return HEAD + text, {"delimiter": ";", "decimal": ","}


def stmw(folder):
    """Dates of birth and of the visit for an age, and amounts in pmol/L."""
    rows = [
        [
            f"07/01/{1986 - int(row['age'])}" if row["age"] else "",
            "12/31/1986",
            row["sex"].lower(),
            row["on_thyroxine"],
            row["TSH"],
            str(Decimal(row["T3"]) * 1000) if row["T3"] else "",
            str(Decimal(row["TT4"]) * 1000) if row["TT4"] else "",
        ]
        for row in rows_of("stmw")
    ]
    written(folder, "stmw.csv", ["born", "visit", "gender", "lt4", "tsh", "t3", "t4"], rows)
    names = {"age": "age", "sex": "gender", "on": "lt4", "tsh": "tsh", "t3": "t3", "tt4": "t4"}
    rules = {
        "words": 'words = {f = "F", m = "M"}',
        "of_t3": 'unit = "pmol/L"\nto_unit = "nmol/L"',
        "of_tt4": 'unit = "pmol/L"\nto_unit = "nmol/L"',
    }
    text = MAPPING.format(**names, **NOTHING | rules)
    text = text.replace(
        '[table.columns.age]\nfrom = "age"\ntype = "number"\nrange = {low = 0, high = 120}',
        "".join(
            f'[table.columns.{name}]\ntype = "date"\nformats = ["%m/%d/%Y"]\n' for name in ("born", "visit")
        ),
    )
    derived = (
        '[table.derive]\nage = {expression = "years_between(born, visit)", range = {low = 0, high = 120}}\n'
    )
    return HEAD + text + derived, {}


CLINICS = {"other": other, "svi": svi, "svhc": svhc, "stmw": stmw}
