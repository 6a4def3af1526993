"""Units: UCUM codes as exact fractions, what an analyte can have, and conversions that equal the fractions' own."""

import csv
import re
from decimal import Decimal
from fractions import Fraction
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.harmonise.units import unit_codes
from analytics.harmonise.units.analytes import analytes, conversion
from analytics.harmonise.units.conversions import convert_exactly
from analytics.harmonise.units.unit_codes import known_units, parse_unit
from tests.harmonise.harmonise_world import column

# IUPAC abridged standard atomic weights 2021, typed from the table of the Commission on Isotopic Abundances
WEIGHTS = [
    "H",
    "1.008",
    "C",
    "12.011",
    "N",
    "14.007",
    "O",
    "15.999",
    "Na",
    "22.990",
    "Mg",
    "24.305",
    "P",
    "30.974",
    "Cl",
    "35.45",
    "K",
    "39.098",
    "Ca",
    "40.078",
    "Li",
    "6.94",
    "Fe",
    "55.845",
    "Co",
    "58.933",
    "Cu",
    "63.546",
    "Zn",
    "65.38",
    "I",
    "126.90",
    "Pb",
    "207.2",
]
WEIGHT = dict(zip(WEIGHTS[::2], map(Decimal, WEIGHTS[1::2]), strict=True))
# factors printed in laboratory manuals (conventional to SI), to the digits given there
PRINTED = (
    ("cholesterol", "mg/dL", "mmol/L", "0.02586"),
    ("triglycerides", "mg/dL", "mmol/L", "0.01129"),
    ("glucose", "mg/dL", "mmol/L", "0.0555"),
    ("creatinine", "mg/dL", "umol/L", "88.4"),
    ("urea_nitrogen", "mg/dL", "mmol/L", "0.357"),
    ("uric_acid", "mg/dL", "umol/L", "59.48"),
    ("bilirubin", "mg/dL", "umol/L", "17.1"),
    ("calcium", "mg/dL", "mmol/L", "0.2495"),
    ("phosphate", "mg/dL", "mmol/L", "0.323"),
    ("iron", "ug/dL", "umol/L", "0.179"),
    ("haemoglobin", "g/dL", "mmol/L", "0.6206"),
    ("thyroxine", "ug/dL", "nmol/L", "12.87"),
    ("triiodothyronine", "ng/dL", "nmol/L", "0.01536"),
    ("cortisol", "ug/dL", "nmol/L", "27.59"),
    ("vitamin_d", "ng/mL", "nmol/L", "2.496"),
    ("folate", "ng/mL", "nmol/L", "2.266"),
    ("vitamin_b12", "pg/mL", "pmol/L", "0.738"),
    ("lithium", "meq/L", "mmol/L", "1"),
    ("calcium", "meq/L", "mmol/L", "0.5"),
    ("alt", "U/L", "ukat/L", "0.01667"),
)


@pytest.mark.parametrize(("name", "source", "target", "printed"), PRINTED)
def test_a_factor_is_the_one_printed_in_laboratory_manuals(name, source, target, printed):
    found = conversion(source, target, name)
    decimals = len(printed.partition(".")[2])
    assert found.shift == 0
    assert abs(found.factor - Fraction(printed)) <= Fraction(1, 10**decimals)
    assert conversion(target, source, name).factor == 1 / found.factor


def test_a_molar_mass_is_the_sum_of_its_formula_and_every_row_has_a_source():
    text = resources.files("analytics.harmonise").joinpath("data/analytes.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) >= 40
    for row in rows:
        assert row["source"], row["name"]
        if row["formula"]:
            parts = re.findall(r"([A-Z][a-z]?)(\d*)", row["formula"])
            mass = sum(WEIGHT[element] * int(count or 1) for element, count in parts)
            assert Decimal(row["molar_mass"]) == mass, row["name"]
    assert set(analytes()) == {row["name"] for row in rows}


def test_the_table_of_units_is_what_the_parser_makes_of_each_code():
    pytest.importorskip("ucumvert")
    assert len(known_units()) > 70
    for code, stored in known_units().items():
        assert stored == (unit_codes._one() if code == "1" else unit_codes._parsed(code)), code


@pytest.mark.slow  # a registry of units is built, which takes seconds
def test_units_equal_those_of_another_library():
    ucumvert = pytest.importorskip("ucumvert")
    registry = ucumvert.PintUcumRegistry()
    plain = {
        code: unit
        for code, unit in known_units().items()
        if "[IU]" not in code and "osm" not in code and "eq" not in code
    }
    pairs = 0
    for one, (factor, offset, dimension) in plain.items():
        for other, (factor_2, offset_2, dimension_2) in plain.items():
            if dimension != dimension_2 or one >= other:
                continue
            mine = float((7 + offset) * factor / factor_2 - offset_2)
            theirs = registry.Quantity(7, registry.from_ucum(one).units).to(registry.from_ucum(other).units)
            assert mine == pytest.approx(theirs.magnitude, rel=1e-9), (one, other)
            pairs += 1
    assert pairs > 300


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("mL/min/1.73.m2", "annotation"),
        ("G/L", "gauss"),
        ("K/uL", "kelvin"),
        ("pH", "picohenry"),
        ("µmol/L", "writes u"),
        ("mg/dl/", "no UCUM code"),
        ("banana", "no UCUM code"),
        ("m[degF]", "UCUM|difference"),
        ("Cel/min", "difference"),
        ("", "1 to 60"),
        ("x" * 61, "1 to 60"),
    ],
)
def test_a_code_that_means_something_else_is_refused(code, reason):
    pytest.importorskip("ucumvert")
    with pytest.raises(ValueError, match=reason):
        parse_unit(code)


@pytest.mark.parametrize(
    ("source", "target", "analyte", "reason"),
    [
        ("mg/dL", "mmol/L", None, "name the analyte"),
        ("mg/dL", "mmol/L", "crp", "no unit of crp"),
        ("mmol/L", "mg/dL", "cholestrol", "nearest: cholesterol"),
        ("mL/min", "mL/min", "egfr", "annotation"),
        ("mL/min/{1.73_m2}", "mL/min", None, "annotations"),
        ("[IU]/L", "U/L", None, "do not measure the same"),
        ("%", "g/dL", "hba1c", "NGSP"),
        ("kg", "mm[Hg]", None, "do not measure the same"),
        ("meq/L", "mmol/L", "glucose", "no unit of glucose"),
    ],
)
def test_units_that_do_not_measure_the_same_are_refused(source, target, analyte, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        conversion(source, target, analyte)


def test_affine_conversions_are_exact():
    assert conversion("[degF]", "Cel", None).factor * 212 + conversion("[degF]", "Cel", None).shift == 100
    assert conversion("K", "Cel", None).shift == Fraction("-273.15")
    to_percent = conversion("mmol/mol", "%", "hba1c")
    assert to_percent.factor * 53 + to_percent.shift == Fraction("7.00044")  # 53 mmol/mol is 7.0 %


RULE = 'type = "number"\nunit = "{}"\nto_unit = "{}"\nanalyte = "{}"\ndigits = {}'
DECIMAL = st.decimals(min_value=-(10**9), max_value=10**9, places=9, allow_nan=False).map("{:f}".format)


@given(
    st.lists(DECIMAL, min_size=20, max_size=40), st.sampled_from(PRINTED), st.integers(0, 6), st.booleans()
)
def test_a_converted_number_is_the_exact_quotient_rounded_once(
    tmp_path_factory, cells, pair, digits, is_back
):
    name, source, target, _ = pair
    one, other = (target, source) if is_back else (source, target)
    found = column(tmp_path_factory.mktemp("u"), RULE.format(one, other, name, digits), cells)
    rule = conversion(one, other, name)
    wanted = [convert_exactly(rule, Fraction(1, 10**digits), Fraction(cell)) for cell in cells]
    # DuckDB 2.0 makes a double of a decimal that may be the neighbour of the nearest one
    assert found == pytest.approx([float(number) for number in wanted], rel=3e-16, abs=0)


def test_halves_are_rounded_away_from_zero_and_never_by_the_binary_neighbour(tmp_path):
    # 2.675 has no double: a product in double precision gives 2.67
    found = column(tmp_path, RULE.format("g/L", "g/L", "albumin", 2), ["2.675", "-2.675", "1.005", "0.125"])
    assert found == [2.68, -2.68, 1.01, 0.13]


def test_numbers_beyond_the_exact_width_are_converted_all_the_same(tmp_path):
    found = column(
        tmp_path, RULE.format("mmol/L", "mg/dL", "cholesterol", 0), ["1e300", "1" * 40, "1e-30", ""]
    )
    assert found[0] == pytest.approx(3.86664e301)
    assert found[1] == pytest.approx(float("1" * 40) * 38.6664)
    assert found[2:] == [0.0, None]
