"""A mapping is checked whole: every mistake at once, with its line and the nearest name."""

import pytest

from analytics.errors import MappingError, SchemaMismatchError
from analytics.harmonise.code_files import code_form, read_hierarchy
from tests.harmonise.harmonise_world import harmonised, site

ROWS = "a,b\n1,2\n"


def mistakes(folder, text, files=()):
    with pytest.raises(MappingError) as refused:
        site(folder, text, ROWS, files)
    return refused.value.mistakes


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "[table.columns.a]\ntyp = 'number'\n",
            "line 3, table.columns.a.typ: there is no key typ here; nearest: type",
        ),
        ("[table.columns.a]\nformm = 'x'\n", "nearest: from"),
        ("[tible.columns.a]\n", "there is no key tible here; nearest: table"),
        (
            "[table.columns.a]\ntype = 'nmber'\n",
            "line 3, table.columns.a.type: Input should be 'text', 'number'",
        ),
        ("[table]\n", "give columns, or other_columns"),
        (
            "[table.columns.a]\ntype='number'\nunit='mg/dL'\n",
            "unit (or unit_from) and to_unit belong together",
        ),
        ("[table.columns.a]\nunit='mg/dL'\nto_unit='g/L'\n", 'a unit needs type = "number"'),
        (
            "[table.columns.a]\ntype='number'\nunit='mg/dl x'\nto_unit='g/L'\n",
            "columns.a: mg/dl x is no UCUM code",
        ),
        ("[table.columns.a]\ntype='number'\nunit='mg/dL'\nto_unit='mmol/L'\n", "name the analyte"),
        ("[table.columns.a]\ntype='number'\nrange={low=3,high=2}\n", "low is above high"),
        ("[table.columns.a]\ntype='number'\nrange={low=3,outside='flag'}\n", "flag"),
        ("[table.columns.a]\ncodes='icd'\n[codes.icd9]\npairs={A='B'}\n", "there is no icd; nearest: icd9"),
        ("[table.columns.a]\nlevel='block'\nhierarchy='gm'\n", "table.columns.a.hierarchy: there is no gm"),
        ("[table.columns.a]\n[table.derive]\nc='a + 1'\n", "derive.c: a is of the kind text, not number"),
        (
            "[table.columns.age]\ntype='number'\n[table.derive]\nc='agee + 1'\n",
            "there is no column agee; nearest: age",
        ),
        ("[table.columns.a]\n[table.derive]\nA='1'\n", "derive.A: there is a column A already"),
        ("[table.columns.a]\n[table.missing.b]\nrule='drop'\n", "missing.b: there is no column b"),
        ("[table.columns.a]\ntype='number'\n[table.missing.a]\nrule='constant'\nvalue='x'\n", "another kind"),
        ("[table.columns.a]\n[table.missing.a]\nrule='constant'\n", "value belongs to"),
        ("[table.columns.a]\n[table.duplicates]\nkey=['a']\nkeep='newest'\n", "by belongs to"),
        ("[table.columns.a]\n[table.join.labs]\non={a='a'}\n", "there is no inputs.labs; there are: none"),
        ("[table.columns.a]\n[table.scale.a]\ncentre=1\nscale=0\n", "greater than 0"),
        ("[table.columns.a]\n[inputs.table]\nfile='x.csv'\n", "table is the name of the block"),
        ("[table.columns.a]\n[inputs.x]\nfile='x.txt'\nother_columns='keep'\n", "x.txt is none of"),
        (
            "[table.columns.a]\n[table.rollup]\nby=['a']\n[table.rollup.columns]\nn={take='first',of='a'}\n",
            "need order",
        ),
        ('[table.columns.a]\nfrom="x#y"\n', "must be a name"),
        ("[table.columns.a]\n[table.columns.A]\nfrom='b'\n", "columns: there is a column A already"),
        (
            "[table.columns.c]\nfrom='a'\n[table.columns.d]\nfrom='A'\n",
            "columns.d: there is a column A already",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, wanted):
    found = mistakes(tmp_path, text)
    assert any(wanted in each for each in found), found


def test_all_mistakes_of_the_format_are_reported_at_once(tmp_path):
    found = mistakes(tmp_path, "[table.columns.a]\ntyp = 'x'\nunread = 'yes'\n[table.columns.b]\nfrm = 'x'\n")
    assert len(found) == 3
    assert [each.split(",")[0] for each in found] == ["line 3", "line 4", "line 6"]


def test_blocks_that_join_each_other_are_refused(tmp_path):
    text = "[table.columns.a]\n"
    for one, other in (("x", "y"), ("y", "x")):
        text += f"[inputs.{one}]\nfile='{one}.csv'\n[inputs.{one}.columns.a]\n[inputs.{one}.join.{other}]\non={{a='a'}}\n"
    assert "circle" in mistakes(tmp_path, text)[0]


CODES = "[codes.m]\nfile = 'm.csv'\n[table.columns.a]\ncodes = 'm'\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("source,target\nA,1\nB,2\nA,3\n", "m.csv, lines 2 and 4: the code A has two targets"),
        ("source,target\nA,\n", "m.csv, line 2: a code or its target is empty"),
        ("source,goal\nA,1\n", "the header row needs target"),
        ("source,target\nA,1,2\n", "m.csv, line 2: 3 fields, the header has 2"),
        ('source,target\n"A,1\n', "it is not CSV"),
    ],
)
def test_a_code_map_with_two_targets_or_gaps_is_refused(tmp_path, text, wanted):
    assert any(wanted in each for each in mistakes(tmp_path, CODES, [("m.csv", text)]))


def test_two_spellings_of_a_code_with_two_targets_are_refused_in_the_form_of_codes(tmp_path):
    files = [("m.csv", "source,target\n250.00,E11\n25000,E10\n")]
    text = CODES.replace("file", "form = 'code'\nfile")
    assert "two targets" in mistakes(tmp_path, text, files)[0]
    site(tmp_path, CODES, ROWS, files)  # exact texts are two codes


def test_the_hierarchy_of_the_package_is_whole():
    wrong = []
    levels = read_hierarchy(None, ",", "icd10cm", wrong)
    assert not wrong
    assert len(levels["category"]) > 1900
    assert dict(levels["chapter"])["I21"] == "9"
    assert dict(levels["block"])["E11"] == "E08-E13"


def test_a_hierarchy_with_a_category_twice_is_refused(tmp_path):
    files = [("h.csv", "code,block,chapter\nA00,A,1\nA00,B,1\nA0,B,1\n")]
    found = mistakes(
        tmp_path, "[hierarchies.h]\nfile='h.csv'\n[table.columns.a]\nlevel='block'\nhierarchy='h'\n", files
    )
    assert "line 3: the category A00 comes twice" in found[0]
    assert "line 4: a category has 3 characters" in found[1]


def test_the_form_of_codes_leaves_letters_and_digits():
    assert code_form(" e11.9 ") == "E119"
    assert code_form("ß-1") == "1"


def test_a_column_that_the_file_lacks_is_named_with_the_mapping_s_line_and_no_name_of_the_file(tmp_path):
    with pytest.raises(SchemaMismatchError) as refused:
        harmonised(
            tmp_path, "[table.columns.a]\n[table.columns.x]\nfrom = 'wage'\n", "a,wages_of_Miller\n1,2\n"
        )
    text = str(refused.value)
    assert "column wage" in text
    assert "mapping.toml, line 3" in text
    assert "Miller" not in text


def test_a_mapping_that_cannot_be_read_is_refused(tmp_path):
    from analytics.harmonise.reading import read_mapping

    with pytest.raises(MappingError, match="No such file"):
        read_mapping(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("version = \n")
    with pytest.raises(MappingError, match="not TOML"):
        read_mapping(str(tmp_path / "bad.toml"))
