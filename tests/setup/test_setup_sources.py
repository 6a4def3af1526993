"""``init`` and ``guess_schema`` over files as hospitals write them: delimiters, words for missing, names in any script."""

import tomllib

import pandas as pd
import pytest
from typer.testing import CliRunner

import federation
from analytics.sources import SourceSpec, open_table
from federation.cli.app import app
from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.identity.certificates import write_private
from federation.setup import create
from federation.setup.infer_column import name_of, plain_name
from federation.setup.infer_schema import init_consortium
from federation.setup.site_rows import read_settings

CANARY = "CANARY73519"
KEY = []


@pytest.fixture(autouse=True)
def _one_key(monkeypatch):
    """One Paillier key for all consortia of this file: a new one takes seconds."""
    real = create.create_private_key_file

    def quick(path, **_):
        if not KEY:
            KEY.append(real(path))
            KEY.append(path.read_bytes())
        else:
            write_private(path, KEY[1])
        return KEY[0]

    monkeypatch.setattr(create, "create_private_key_file", quick)


def write(folder, text, name="a.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def made(folder, *texts, **changes):
    """The table of a consortium of sites a, b, ... with a file each, its sites' files, and what was remarked."""
    sites = {"abc"[n]: write(folder, text, f"{'abc'[n]}.csv") for n, text in enumerate(texts)}
    if len(sites) == 1:
        sites["b"] = sites["a"]
    told = []
    places = init_consortium(folder / "made", sites=sites, table="t", tell=told.append, **changes)
    return load_consortium(places.consortium).schema.tables["t"], places, told


def refused(folder, *texts, **changes):
    with pytest.raises(ConfigError) as caught:
        made(folder, *texts, **changes)
    assert not (folder / "made").exists()
    assert CANARY not in str(caught.value)
    return " ".join(caught.value.mistakes)


def open_site(places, name):
    """The site's table as its node opens it, from the written files alone."""
    config = load_site(places.site(name))
    table = config.file.tables["t"]
    path = config.folder / table.source
    spec = SourceSpec(kind="csv", path=path, view=table.view, **table.source_format())
    return open_table(spec, config.consortium.schema.tables["t"], site_key=bytes(32), threads=1)


# -- the header --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("\t", "tab")])
def test_setup_another_delimiter_is_refused_with_its_name(tmp_path, sign, name):
    text = "chol;sex\n" + f"100,5;{CANARY}\n120,5;F\n" * 30
    assert f"the delimiter seems to be the {name}".replace("the delimiter", "its delimiter") in refused(
        tmp_path, text.replace(";", sign)
    )


@pytest.mark.parametrize(
    "text",
    [f"{CANARY},40\n" + "x,50\n" * 30, "name,2020-01-01\n" + "x,y\n" * 30, f"{CANARY},F\n" + "x,F\n" * 30],
)
def test_setup_a_row_of_data_is_no_header(tmp_path, text):
    """Its cells would stand in the file that all sites share."""
    assert "the header row looks like a row of data" in refused(tmp_path, text)


def test_setup_names_in_any_script(tmp_path):
    header = "воз,пол,Größe,naïve Π,年齢,row,age"
    rows = "".join(f"{20 + n},{'MF'[n % 2]},{150 + n},{n % 2},{n},{n},{n}\n" for n in range(40))
    table, places, _ = made(tmp_path, f"{header}\n{rows}")
    assert list(table.columns) == ["column_1", "column_2", "grosse", "naive", "column_5", "column_6", "age"]
    text = places.consortium.read_text("utf-8")
    assert '# "воз" in the file' in text
    assert tomllib.loads(text)["tables"]["t"]["columns"]["column_2"]["domain"] == ["F", "M"]
    assert open_site(places, "a").report.rows_kept == 40
    assert (plain_name("É_a B"), name_of("ж", 7), name_of("Łódź", 2)) == ("e_a_b", "column_7", "odz")


# -- words, signs and dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NA", ".", "?", "NULL", "\\N"])
def test_setup_numbers_with_a_word_for_missing_are_numbers(tmp_path, word):
    table, places, _ = made(tmp_path, "code,age\n" + f"x,{word}\nx,40\ny,5{0}\n" * 12)
    assert table.columns["age"].to_dict()["type"] in {"numeric", "categorical"}
    assert table.columns["age"].nullable
    assert load_site(places.site("a")).file.tables["t"].missing == [word]
    assert [column.missing for column in open_site(places, "a").report.columns] == [0, 12]


def test_setup_each_site_keeps_its_own_words(tmp_path):
    _, places, told = made(
        tmp_path, "age,sex\n" + "40,F\nNA,M\n61,M\n" * 12, "age,sex\n" + "4.5,F\n?,M\n61,M\n" * 12
    )
    found = [load_site(places.site(name)).file.tables["t"].missing for name in "ab"]
    assert found == [["NA"], ["?"]]
    assert not any("age" in text and "?" in text for text in told)


def test_setup_settings_are_read_written_and_used(tmp_path):
    first = "id;chol;sex;day\n" + "".join(
        f"{n};{100 + n},5;{'FM'[n % 2]};0{1 + n % 9}.02.2020\n" for n in range(40)
    )
    second = "id,chol,sex,day\n" + "".join(
        f"{n},{100 + n}.5,{'FM'[n % 2]},2020-02-0{1 + n % 9}\n" for n in range(40)
    )
    sites = {"a": write(tmp_path, first, "a.csv", "cp1252"), "b": write(tmp_path, second, "b.csv")}
    settings = read_settings(
        ["a.delimiter=semicolon", "a.decimal=,", "a.encoding=cp1252", "a.dates=%d.%m.%Y", "missing=-9"],
        ["a", "b"],
    )
    view = "SELECT chol, sex, year(as_date(day)) AS year FROM source"
    places = init_consortium(
        tmp_path / "made", sites=sites, table="t", settings=settings, views=dict.fromkeys("ab", view)
    )
    table = load_consortium(places.consortium).schema.tables["t"]
    assert list(table.columns) == ["chol", "sex", "year"]
    assert (
        str(table.columns["chol"].resolution) == "1/2" or table.columns["chol"].resolution.denominator == 10
    )
    own = load_site(places.site("a")).file.tables["t"]
    assert (own.delimiter, own.decimal, own.encoding, own.dates) == (";", ",", "cp1252", ["%d.%m.%Y"])
    for name in "ab":
        with open_site(places, name) as source:
            assert source.report.rows_kept == 40
            assert not list(source.report.faults())


@pytest.mark.parametrize("bad", ["delimiter", "colour=red", "a.view=x", "c.colour=red"])
def test_setup_settings_that_are_not_known_are_refused(bad):
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        read_settings([bad], ["a", "b"])


def test_setup_a_setting_of_a_site_that_is_not_there_names_the_sites():
    with pytest.raises(ConfigError, match=r"c.delimiter: there is no site c here, only a, b"):
        read_settings(["c.delimiter=;"], ["a", "b"])


@pytest.mark.parametrize("decimal", [".", ","])
def test_setup_identifiers_with_leading_zeros_are_not_called_decimals(tmp_path, decimal):
    rows = "".join(f"{n:05d};{n % 2}\n" for n in range(60))
    path = tmp_path / "own.csv"
    path.write_text("Fall;x\n" + rows)
    settings = {name: {"delimiter": ";", "decimal": decimal} for name in "ab"}
    places = init_consortium(tmp_path / "made", sites=dict.fromkeys("ab", path), table="t", settings=settings)
    shared = places.consortium.read_text()
    assert '# "Fall" is left out: numbers that begin with 0 are read as identifiers' in shared
    assert "decimal comma" not in shared


@pytest.mark.parametrize("name", ["Patienten-Nr", "patient_no", "PatientID", "Patientennummer"])
def test_setup_usual_names_of_patient_numbers_are_the_privacy_unit(tmp_path, name):
    path = tmp_path / "own.csv"
    path.write_text(f"{name},x\n" + "".join(f"{n:05d},{n % 2}\n" for n in range(60)))
    places = init_consortium(tmp_path / "made", sites=dict.fromkeys("ab", path), table="t")
    table = load_consortium(places.consortium).schema.tables["t"]
    assert table.privacy_unit == plain_name(name)


def test_setup_one_frame_instead_of_the_sites_frames_is_refused_in_plain_words():
    for given in (pd.DataFrame({"a": [1, 2]}), [pd.DataFrame({"a": [1]})], None):
        with pytest.raises(ConfigError, match="of each site by its name"):
            federation.guess_schema(given)


def test_setup_what_is_left_out_says_what_to_do(tmp_path):
    rows = "".join(
        f"{n},{n % 7};{n},0{1 + n % 9}.{10 + n % 3}.20{10 + n % 40}\n".replace(";", "_") for n in range(60)
    )
    text = "age,note,day\n" + rows
    _, places, _ = made(tmp_path, text)
    shared = places.consortium.read_text()
    assert 'such as year(as_date("day")) AS day_year; declare dates = ["%d.%m.%Y"]' in shared
    assert '# "note" is left out: free text' in shared
    comma = "age;bmi\n" + "".join(f"{n};2{n % 10},{n}\n" for n in range(60))
    (tmp_path / "c").mkdir()
    _, places, _ = made(tmp_path / "c", comma, settings={name: {"delimiter": ";"} for name in "ab"})
    assert 'declare decimal = ","' in places.consortium.read_text()


def test_setup_a_view_with_names_that_are_not_plain_is_wrapped(tmp_path):
    view = 'SELECT age AS "Alter (J)", sex FROM source WHERE as_number(age) > 20;'
    text = "age,sex\n" + "".join(f"{n},{'FM'[n % 2]}\n" for n in range(60))
    table, places, _ = made(tmp_path, text, views={"a": view, "b": view})
    assert list(table.columns) == ["alter_j", "sex"]
    assert open_site(places, "a").report.rows_kept == 39


# -- what one site alone has -------------------------------------------------------------------------------------


def test_setup_a_value_of_one_site_alone_is_shown_on_this_screen_only(tmp_path):
    def stages(names):
        return "stage,age\n" + "".join(f"{names[n % len(names)]},{40 + n % 20}\n" for n in range(120))

    _, places, told = made(tmp_path, stages(["I", "II", "rare"]), stages(["I", "II", "III", "IV"]))
    assert told == [
        "column stage: 60 values of site b are outside: 'III' (30), 'IV' (30)",
        "column stage: 'rare' is in the shared domain and occurs at site a alone",
    ]
    assert "IV" not in places.consortium.read_text()


def test_setup_a_site_whose_words_are_not_understood_is_named(tmp_path):
    """A15: one site codes a flag in other words."""
    numbers = "flag,age\n" + "0,40\n1,50\n" * 30
    said = refused(tmp_path, numbers, numbers.replace("0,40", "ja,40").replace("1,50", "nein,50"), numbers)
    assert "b: b.csv, column flag: none of its values is in the domain" in said


# -- Python and the command line ---------------------------------------------------------------------------------


def test_guess_schema_of_frames_answers_once_a_person_has_removed_the_marks():
    frame = pd.DataFrame(
        {
            "pid": [f"p{n}" for n in range(60)],
            "age": range(20, 80),
            "sex": ["F", "M"] * 30,
            "note": [f"n{n}" for n in range(60)],
        }
    )
    schema = federation.guess_schema(dict.fromkeys("abc", frame), table="people")
    table = schema["tables"]["people"]
    assert table["guessed"] == ["privacy_unit", "unit_form", "max_rows_per_unit", "rows_max"]
    assert table["max_sites_per_unit"] == 3
    assert set(table["columns"]) == {"age", "sex"}
    del table["guessed"]
    table["exact_dimensions"] = ["sex"]
    for column in table["columns"].values():
        assert column.pop("guessed")
    with federation.local(
        dict.fromkeys("abc", frame), schema=schema, policy={"minimum_cell": 0}, engine="numpy"
    ) as session:
        assert session.sql("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex", exact=True).rows == (
            ("F", 90),
            ("M", 90),
        )


def test_guess_schema_takes_files_and_warns_of_values_outside(tmp_path):
    path = write(tmp_path, "age,sex\n" + "".join(f"{n % 60},{'FM'[n % 2]}\n" for n in range(60)))
    other = pd.DataFrame({"age": range(60), "sex": ["F", "M", "X"] * 20})
    with pytest.warns(UserWarning, match=r"20 values of site b are outside: 'X' \(20\)"):
        schema = federation.guess_schema({"a": path, "b": other})
    assert schema["tables"]["patients"]["columns"]["sex"]["domain"] == ["F", "M"]
    with pytest.raises(ConfigError, match=r"b: .* lacks the columns sex"):
        federation.guess_schema({"a": path, "b": other[["age"]]})
    with pytest.raises(ConfigError):
        federation.guess_schema({})


def test_init_takes_formats_and_views_on_the_command_line(tmp_path):
    text = "id;bmi;sex\n" + "".join(f"{n};2{n % 10},{n % 10};{'FM'[n % 2]}\n" for n in range(60))
    a, b = write(tmp_path, text, "a.csv"), write(tmp_path, text.replace(",", ".").replace(";", ","), "b.csv")
    view = tmp_path / "view.sql"
    view.write_text("SELECT bmi, sex FROM source")
    command = ["init", str(tmp_path / "made"), "--site", f"a={a}", "--site", f"b={b}", "--view", str(view)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    done = CliRunner().invoke(app, [*command, "--format", "a.delimiter=;", "--format", "a.decimal=,"])
    assert done.exit_code == 0, done.output
    site = tomllib.loads((tmp_path / "made/sites/a/site.toml").read_text())["tables"]["patients"]
    assert (site["delimiter"], site["decimal"], site["view"]) == (";", ",", "SELECT bmi, sex FROM source\n")
