"""One column: words, codes, hierarchies, numbers, dates, units a row; what is lost is counted or refused."""

import datetime as dt

import pytest

from analytics.errors import SchemaMismatchError
from tests.harmonise.harmonise_world import column, counts, harmonised


def test_a_text_is_handed_on_without_blanks_at_its_ends(tmp_path):
    assert column(tmp_path, "", [" 250.00 ", '"a, b"', "", "  "]) == ["250.00", "a, b", None, None]


def test_words_are_taken_letter_by_letter(tmp_path):
    rule = 'words = {M = "male", W = "female"}\nmissing = ["?"]'
    assert column(tmp_path, rule, ["M", " W", "w", "?", ""]) == ["male", "female", None, None, None]
    assert column(tmp_path, rule + '\nunmapped = "keep"', ["M", "w"]) == ["male", "w"]
    with pytest.raises(SchemaMismatchError, match="column x: words without a meaning"):
        column(tmp_path, rule + '\nunmapped = "refuse"', ["M", "w"])


def test_codes_are_looked_up_and_their_coverage_is_counted(tmp_path):
    top = '[codes.icd]\nfile = "icd.csv"\nsource = "icd9"\ntarget = "icd10"\nform = "code"'
    files = [("icd.csv", "icd9,icd10\n250.00,E11.9\n401.9,I10\n")]
    found = column(tmp_path, 'codes = "icd"', ["25000", "250.00", "4019", "v22", ""], files=files, top=top)
    assert found == ["E11.9", "E11.9", "I10", None, None]
    rows = "x\n25000\n4019\nv22\n"
    touched = counts(tmp_path, top + '\n[table.columns.x]\ncodes = "icd"\n', rows, files)[1]
    assert touched == {"column x: codes": 2, "column x: codes without a target": 1}


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        ("category", ["E11", "I21", None, None]),
        ("block", ["E08-E13", "I20-I25", None, None]),
        ("chapter", ["4", "9", None, None]),
    ],
)
def test_a_code_rolls_up_in_the_hierarchy(tmp_path, level, wanted):
    assert column(tmp_path, f'level = "{level}"', ["e11.65", "I21", "QQQ", "1"]) == wanted


def test_old_codes_reach_a_chapter_of_the_new_classification(tmp_path):
    top = '[codes.gem]\nform = "code"\n[codes.gem.pairs]\n"410.01" = "I21.09"\n'
    assert column(tmp_path, 'codes = "gem"\nlevel = "chapter"', ["410.01", "999"], top=top) == ["9", None]


def test_numbers_follow_the_decimal_sign_and_other_texts_refuse_the_source(tmp_path):
    rule = 'type = "number"\ndecimal = ","'
    assert column(tmp_path, rule, ['"1,5"', "-3", "1e2", ""]) == [1.5, -3.0, 100.0, None]
    for bad in ("1.5", "<5", "inf", "nan", "1_0"):
        with pytest.raises(SchemaMismatchError, match="column x: a text that is no number") as refused:
            column(tmp_path, rule, ["1", bad])
        assert bad not in str(refused.value)
    assert column(tmp_path, rule + '\nunread = "missing"', ["1", "<5", "nan", "inf"]) == [
        1.0,
        None,
        None,
        None,
    ]


def test_the_text_of_a_refusal_is_the_same_whatever_the_rows_are(tmp_path):
    said = set()
    for cells in (["<5"], ["Miller"] * 7, ["4", "5", "--"]):
        with pytest.raises(SchemaMismatchError) as refused:
            column(tmp_path, 'type = "number"', cells)
        said.add(str(refused.value))
    assert len(said) == 1


def test_dates_have_declared_formats_and_no_other(tmp_path):
    rule = 'type = "date"\nformats = ["%d.%m.%Y", "%Y-%m-%d"]\nunread = "missing"'
    found = column(tmp_path, rule, ["03.02.2020", "2020-02-03", "02/03/2020", "31.02.2020", ""])
    assert found == [dt.date(2020, 2, 3), dt.date(2020, 2, 3), None, None, None]
    with pytest.raises(SchemaMismatchError, match="no date"):
        column(tmp_path, rule.replace("missing", "refuse"), ["02/03/2020"])


def test_booleans_have_words(tmp_path):
    rule = 'type = "boolean"\nyes = ["ja"]\nno = ["nein"]'
    assert column(tmp_path, rule, ["Ja", "nein", ""]) == [True, False, None]
    with pytest.raises(SchemaMismatchError, match="no word for yes and no"):
        column(tmp_path, rule, ["ja", "1"])


UNITS = """
[table.columns.x]
type = "number"
unit_from = "unit"
unit_words = {"mmol/l" = "mmol/L", "mg/dl" = "mg/dL"}
units = ["mg/dL"]
to_unit = "mg/dL"
analyte = "cholesterol"
digits = 0
"""


def test_each_row_has_its_own_unit_and_an_unknown_one_is_missing_and_counted(tmp_path):
    rows = "x,unit\n5.17,mmol/l\n200,mg/dl\n201,mg/dL\n5,IU\n7,\n,mg/dL\n"
    found = harmonised(tmp_path, UNITS, rows)
    assert sorted(row["x"] for row in found if row["x"] is not None) == [200.0, 200.0, 201.0]
    touched = counts(tmp_path, UNITS, rows)[1]
    assert touched == {
        "column x: mg/dL to mg/dL": 1,
        "column x: mmol/l to mg/dL": 1,
        "column x: mg/dl to mg/dL": 1,
        "column x: values without a known unit": 2,
    }
    with pytest.raises(SchemaMismatchError, match="values without a known unit"):
        harmonised(tmp_path, UNITS + 'unknown_unit = "refuse"\n', rows)


def test_other_columns_are_left_out_unless_they_are_kept(tmp_path):
    rows = "a,b,c\n1,2,3\n"
    assert harmonised(tmp_path, '[table.columns.x]\nfrom = "a"\n', rows) == [{"x": "1"}]
    kept = '[table]\nother_columns = "keep"\n[table.columns.x]\nfrom = "a"\n'
    assert harmonised(tmp_path, kept, rows) == [{"x": "1", "b": "2", "c": "3"}]
    with pytest.raises(SchemaMismatchError, match="there is a column b already"):
        harmonised(tmp_path, kept.replace(".x]", ".B]"), rows)


def test_a_typed_source_means_the_same_as_its_text(tmp_path):
    import pandas as pd

    from analytics.sources import open_frame
    from tests.harmonise.harmonise_world import numeric, site, table

    spec = site(
        tmp_path, '[table.columns.x]\ntype = "number"\nunit = "g/L"\nto_unit = "mg/dL"\n', "x\n1.5\n7\n"
    )
    own = table(numeric("x", "0", "1000"))
    frame = pd.DataFrame({"x": [1.5, 7.0]})
    with open_frame(frame, own, site_key=b"k" * 16, mapping=spec.mapping) as source:
        assert sorted(source.every_row(["x"])[:, 1].tolist()) == [150, 700]
