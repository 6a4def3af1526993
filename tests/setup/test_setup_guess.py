import csv
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.sources import SourceSpec
from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.setup.infer_column import plain_name, round_up
from federation.setup.infer_schema import guess_table, init_consortium
from federation.setup.site_rows import SiteRows
from tests.setup.setup_world import HEART, without_marks

HOSPITALS = {path.stem: path for path in sorted(HEART.glob("*.csv"))}


def table_of(folder, rows, name="rows.csv"):
    path = folder / name
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def guessed(folder, header, rows):
    """The schema as a person would get it, from two sites with one file."""
    path = table_of(folder, [header, *rows])
    places = init_consortium(folder / "made", sites={"a": path, "b": path}, table="people")
    return load_consortium(places.consortium).schema.tables["people"], places


def test_setup_guess_on_four_real_hospitals(tmp_path):
    places = init_consortium(tmp_path / "hearts", sites=HOSPITALS)
    agreement = load_consortium(places.consortium)
    table = agreement.schema.tables["patients"]
    assert agreement.names == ("cleveland", "hungary", "switzerland", "va_long_beach")
    assert list(table.columns) == HOSPITALS["cleveland"].read_text().splitlines()[0].split(",")
    assert all(column.guessed for column in table.columns.values())
    kinds = {name: column.to_dict()["type"] for name, column in table.columns.items()}
    assert kinds["age"] == kinds["chol"] == kinds["oldpeak"] == "numeric"
    assert kinds["sex"] == kinds["exang"] == "boolean"
    assert table.columns["cp"].domain == (1, 2, 3, 4)
    assert table.columns["oldpeak"].resolution == Fraction(1, 10)
    assert table.privacy_unit == "row"
    assert table.guessed == ("privacy_unit", "max_rows_per_unit", "rows_max")
    assert table.max_sites_per_unit == 4
    assert not load_site(places.site("hungary")).file.policy.exact


def test_setup_guessed_bounds_are_wider_than_the_data(tmp_path):
    """Read with another reader: no bound is a value, and every value lies well inside."""
    places = init_consortium(tmp_path / "hearts", sites=HOSPITALS)
    table = load_consortium(places.consortium).schema.tables["patients"]
    with HOSPITALS["cleveland"].open() as stream:
        rows = list(csv.DictReader(stream))
    for name, column in table.columns.items():
        values = {Fraction(row[name]) for row in rows if row[name]}
        if column.to_dict()["type"] == "numeric":
            assert column.upper >= max(values) * Fraction(3, 2)
            assert column.lower <= min(values)
            assert column.upper not in values


def test_setup_text_of_persons_never_reaches_the_shared_file(tmp_path):
    """Names, notes and identifiers have many values; none of them may stand in the agreement."""
    rows = [[f"Person {n}", f"note {n} about a visit", n % 90, "AB"[n % 2]] for n in range(200)]
    table, places = guessed(tmp_path, ["name", "note", "age", "ward"], rows)
    text = places.consortium.read_text()
    assert "Person" not in text
    assert "note 1" not in text
    assert set(table.columns) == {"age", "ward"}
    assert table.columns["ward"].domain == ("A", "B")


def test_setup_few_rows_are_no_public_domain(tmp_path):
    """Three patients with three diagnoses: the words are theirs."""
    rows = [["flu", 40], ["rare syndrome", 50], ["gout", 60]]
    _, places = guessed(tmp_path, ["diagnosis", "age"], rows)
    assert "rare syndrome" not in places.consortium.read_text()


def test_setup_identifier_becomes_the_privacy_unit(tmp_path):
    rows = [[f"p{n // 3}", 20 + n % 60] for n in range(300)]
    table, places = guessed(tmp_path, ["Patient ID", "age"], rows)
    assert table.privacy_unit == "patient_id"
    assert table.max_rows_per_unit == 5
    assert table.unit_form == "text"
    assert table.guessed == ("privacy_unit", "unit_form", "max_rows_per_unit", "rows_max")
    assert "p17" not in places.consortium.read_text()
    places.consortium.write_text(without_marks(places.consortium.read_text()))
    table = load_consortium(places.consortium).schema.tables["people"]
    assert not table.open_guess
    assert not table.columns["age"].guessed
    assert '"Patient ID" AS patient_id' in places.site("a").read_text()


def test_setup_rows_without_an_identifier_are_no_unit_of_many_rows(tmp_path):
    """What reads as NaN is many people's; it must not widen how many rows of one person count."""
    rows = [[n, 20 + n % 60] for n in range(200)] + [["NaN", 30]] * 50
    path = table_of(tmp_path, [["mrn", "age"], *rows])
    text = guess_table(SiteRows(site="a", rows=SourceSpec(kind="csv", path=path)), "people").schema
    assert "max_rows_per_unit = 1 " in text
    assert 'unit_form = "integer"' in text


def test_setup_values_of_one_site_alone_are_told_with_the_site(tmp_path):
    header = ["stage", "age"]
    first = table_of(
        tmp_path, [header, *[[["I", "II", "III"][n % 3], 40 + n % 20] for n in range(90)]], "a.csv"
    )
    second = table_of(
        tmp_path, [header, *[[["I", "II", "III", "IV"][n % 4], 40 + n % 20] for n in range(80)]], "b.csv"
    )
    told = []
    init_consortium(tmp_path / "made", sites={"a": first, "b": second}, tell=told.append)
    assert told == ["column stage: 20 values of site b are outside: 'IV' (20)"]


def test_setup_a_site_whose_column_is_not_understood_is_named(tmp_path):
    first = table_of(tmp_path, [["flag", "age"], *[[n % 2, 40] for n in range(60)]], "a.csv")
    second = table_of(tmp_path, [["flag", "age"], *[["JN"[n % 2], 40] for n in range(60)]], "b.csv")
    with pytest.raises(ConfigError, match=r"b: b.csv, column flag: has words for one of yes and no"):
        init_consortium(tmp_path / "made", sites={"a": first, "b": second})


def test_setup_odd_columns(tmp_path):
    header = ["Größe (cm)", "1st visit", "empty", "flag", "day", "deficit", "tiny", "row"]
    rows = [
        [
            150 + n % 40,
            n % 2,
            "",
            ["yes", "no"][n % 2],
            f"2020-01-{1 + n % 28:02}",
            -n - 0.25,
            0.0001 * (n + 1),
            n,
        ]
        for n in range(100)
    ]
    table, places = guessed(tmp_path, header, rows)
    columns = table.columns
    assert set(columns) == {"grosse_cm", "c_1st_visit", "flag", "deficit", "tiny", "column_8"}
    assert columns["c_1st_visit"].to_dict()["type"] == "boolean"
    assert columns["deficit"].upper == 0
    assert columns["deficit"].lower <= -150
    assert columns["tiny"].upper >= Fraction(15, 1000)
    text = places.consortium.read_text()
    for word in ("empty", "day"):
        assert f'# "{word}" is left out' in text


def test_setup_sources_of_other_kinds(tmp_path):
    source = HOSPITALS["hungary"]
    parquet, database = tmp_path / "h.parquet", tmp_path / "h.duckdb"
    connection = duckdb.connect(str(database))
    connection.execute(f"CREATE TABLE visits AS SELECT * FROM read_csv('{source}')")
    connection.execute(f"COPY visits TO '{parquet}' (FORMAT parquet)")
    connection.close()
    places = init_consortium(
        tmp_path / "mixed", sites={"a": source, "b": parquet, "c": tmp_path / "h.duckdb#visits"}
    )
    assert load_site(places.site("c")).file.tables["patients"].table == "visits"


def test_setup_every_mistake_is_told_at_once(tmp_path):
    good = HOSPITALS["cleveland"]
    with pytest.raises(ConfigError) as caught:
        init_consortium(tmp_path / "x", sites={"Bad Name": good}, table="1 table")
    assert len(caught.value.mistakes) == 3
    with pytest.raises(ConfigError) as caught:
        init_consortium(
            tmp_path / "x",
            sites={"a": good, "b": tmp_path / "no.csv", "c": tmp_path / "d.xlsx", "d": tmp_path / "e.db"},
        )
    assert [mistake[0] for mistake in caught.value.mistakes] == ["b", "c", "d"]
    short = table_of(tmp_path, [["age", "sex"], [1, 0]])
    with pytest.raises(
        ConfigError, match=r"b: rows.csv lacks the columns cp, .* and 7 more of the first .*--view b="
    ):
        init_consortium(tmp_path / "x", sites={"a": good, "b": short})
    assert not (tmp_path / "x").exists()


def test_setup_a_mistake_names_its_site_also_where_the_file_begins_with_its_name(tmp_path):
    path = tmp_path / "a2.csv"
    path.write_text("chol;sex\n100,5;M\n")
    with pytest.raises(ConfigError) as caught:
        init_consortium(tmp_path / "x", sites={"a": path, "b": path})
    assert [mistake.partition(" ")[0] for mistake in caught.value.mistakes] == ["a:", "b:"]
    path.write_text("chol,sex\n")
    with pytest.raises(ConfigError, match=r"a: a2.csv: there is no row to guess a schema from"):
        init_consortium(tmp_path / "x", sites={"a": path, "b": path})
    path.write_text("a b,a_b\n1,2\n")
    with pytest.raises(ConfigError, match=r"a: a2.csv: two columns would both be called a_b"):
        init_consortium(tmp_path / "x", sites={"a": path, "b": path})


def test_setup_no_mistake_quotes_data(tmp_path):
    path = table_of(tmp_path, [["age", "sex"], *[["SECRET-NAME", "1"]] * 20, *[["other", "0"]] * 20])
    good = table_of(tmp_path, [["age", "sex"], *[[n, n % 2] for n in range(50)]], "good.csv")
    with pytest.raises(ConfigError) as caught:
        init_consortium(tmp_path / "x", sites={"a": good, "b": path}, table="people")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", "a\n", "a b,a_b\n1,2\n", "\x00\xff\xfe"])
def test_setup_files_that_are_no_tables(tmp_path, content):
    path = tmp_path / "odd.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError):
        guess_table(SiteRows(site="a", rows=SourceSpec(kind="csv", path=path)), "t")


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**12))
def test_setup_round_up_is_the_next_of_one_two_five(value):
    found = round_up(value)
    assert value <= found <= value * Fraction(5, 2)
    digits = str(found.numerator * 10**20 // found.denominator).strip("0")
    assert digits in {"1", "2", "5"}


@given(st.text(max_size=80))
def test_setup_plain_names_are_names_or_empty(text):
    from federation.consortium.file_format.file_types import NAME

    name = plain_name(text)
    assert name == "" or NAME.fullmatch(name)
    assert plain_name(name) == name


@pytest.mark.parametrize("words", [("yes", "no"), ("Y", "N"), ("T", "F"), ("true", "no")])
def test_setup_two_words_of_the_source_are_a_boolean(tmp_path, words):
    table, _ = guessed(tmp_path, ["ill", "age"], [[words[n % 2], 40 + n % 9] for n in range(60)])
    assert table.columns["ill"].to_dict()["type"] == "boolean"


def test_setup_two_other_words_are_categories(tmp_path):
    table, _ = guessed(tmp_path, ["ill", "age"], [[("yes", "unknown")[n % 2], 40 + n % 9] for n in range(60)])
    assert table.columns["ill"].to_dict()["type"] == "categorical"


def test_setup_a_code_with_a_point_is_the_code(tmp_path):
    """A frame with a missing value writes 2.0 where another site's file has 2; the node reads both as 2."""
    header = ["slope", "age"]
    first = table_of(tmp_path, [header, *[[1 + n % 3, 40 + n % 20] for n in range(90)]], "a.csv")
    second = table_of(tmp_path, [header, *[[f"{1 + n % 2}.0", 40 + n % 20] for n in range(80)]], "b.csv")
    told = []
    init_consortium(tmp_path / "made", sites={"a": first, "b": second}, tell=told.append)
    assert told == ["column slope: '3' is in the shared domain and occurs at site a alone"]
