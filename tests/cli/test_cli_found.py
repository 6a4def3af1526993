"""The commands of a founding: exit codes, and what stops a person before a wrong step."""

import pytest

from tests.cli.conftest import crossward
from tests.setup.founding_world import rows


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("found")
    rows(root / "a.csv")
    ran = crossward(
        *("found", root / "anna", "--site", "anna", "--address", "127.0.0.1:17101", "--data", root / "a.csv"),
        *("--invite", "bert", "--invite", "ada:analyst", "--engine", "numpy"),
    )
    assert ran.code == 0, ran.err
    joined = crossward(
        *("join", root / "anna" / "invitations" / "bert.json", root / "bert", "--engine", "numpy"),
        *("--address", "127.0.0.1:17102", "--data", root / "a.csv"),
    )
    assert joined.code == 0, joined.err
    return root


def test_cli_found_admits_no_member_without_its_words(site):
    answer = site / "bert" / "exchange" / "bert.answer.json"
    ran = crossward("admit", site / "anna", answer)
    assert ran.code == 2
    assert 'give --words bert="..."' in ran.err
    ran = crossward("admit", site / "anna", answer, "--words", "bert=" + "acid " * 8)
    assert ran.code == 3
    assert "the words for bert differ" in ran.err
    assert not (site / "anna" / "members" / "bert.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--invite", "bert", "--invite", "bert:dealer"), 2, "--invite bert stands twice"),
        (("--invite", ":dealer"), 2, "a member is NAME or NAME:ROLE"),
        (("--invite", "bert", "--invite", "ada:queen"), 1, "role 'queen' is none of"),
        (
            ("--invite", "bert", "--invite", "ada:analyst", "--engine", "abacus"),
            2,
            "--engine is crypten or numpy",
        ),
    ],
)
def test_cli_found_refuses_wrong_members(site, words, code, said):
    ran = crossward(
        *(
            "found",
            site / "new",
            "--site",
            "anna",
            "--address",
            "a.example:1",
            "--data",
            site / "a.csv",
            *words,
        )
    )
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert not (site / "new").exists()


def test_cli_found_refuses_files_that_are_none(site, tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    for words in (
        ("join", tmp_path / "bad.json", tmp_path / "x"),
        ("admit", site / "anna", tmp_path / "bad.json"),
        ("sign", site / "bert", tmp_path / "bad.json"),
        ("sign", tmp_path, tmp_path / "bad.json"),
        ("begin", site / "bert", tmp_path / "bad.json"),
        ("admit", tmp_path),
        ("invite", tmp_path, "zoe"),
    ):
        ran = crossward(*words)
        assert ran.code == 3, (words, ran.err)
        assert "fault of its own" not in ran.err
    assert crossward("join", tmp_path / "none.json", tmp_path / "x").code == 2


def test_cli_init_says_that_it_is_a_rehearsal(site):
    ran = crossward("init", site / "trial", "--site", f"a={site / 'a.csv'}", "--site", f"b={site / 'a.csv'}")
    assert ran.code == 0, ran.err
    assert "a rehearsal, with every member's key on this one machine" in ran.out
    assert "crossward found, crossward join" in ran.out


def test_cli_found_and_join_read_a_file_as_format_says(site, tmp_path):
    data = tmp_path / "a.csv"
    data.write_text((site / "a.csv").read_text().replace(",", ";"))
    common = ("--data", data, "--engine", "numpy", "--format", "delimiter=semicolon", "--format", "missing=-")
    ran = crossward(
        *("found", tmp_path / "anna", "--site", "anna", "--address", "127.0.0.1:17101", *common),
        *("--invite", "bert", "--invite", "ada:analyst"),
    )
    assert ran.code == 0, ran.err
    invitation = tmp_path / "anna" / "invitations" / "bert.json"
    ran = crossward("join", invitation, tmp_path / "bert", "--address", "127.0.0.1:17102", *common)
    assert ran.code == 0, ran.err
    for name in ("anna", "bert"):
        text = (tmp_path / name / "site.toml").read_text()
        assert 'delimiter = ";"\nmissing = ["-"]' in text
        assert '  "age",' in text
    ran = crossward(
        "join", invitation, tmp_path / "new", "--address", "127.0.0.1:17102", "--format", "sign=x"
    )
    assert ran.code == 1
    assert "with a key of" in ran.err


VIEW = "SELECT as_number(age) + 1 AS years, upper(sex) AS sex FROM source"


def test_cli_found_and_join_guess_from_a_view(site, tmp_path):
    (tmp_path / "view.sql").write_text(VIEW)
    common = ("--data", site / "a.csv", "--engine", "numpy", "--view", tmp_path / "view.sql")
    ran = crossward(
        *("found", tmp_path / "anna", "--site", "anna", "--address", "127.0.0.1:17101", *common),
        *("--invite", "bert", "--invite", "ada:analyst"),
    )
    assert ran.code == 0, ran.err
    terms = (tmp_path / "anna" / "terms.toml").read_text()
    assert "years = {" in terms
    assert "chol" not in terms
    invitation = tmp_path / "anna" / "invitations" / "bert.json"
    ran = crossward("join", invitation, tmp_path / "bert", "--address", "127.0.0.1:17102", *common)
    assert ran.code == 0, ran.err
    for name in ("anna", "bert"):
        assert VIEW in (tmp_path / name / "site.toml").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT aeg FROM source", "aeg"),
        ("SELECT age FROM sauce", "source"),
        ("DELETE FROM source", "SELECT"),
    ],
)
def test_cli_a_wrong_view_is_named_and_leaves_no_folder(site, tmp_path, text, said):
    view = tmp_path / "view.sql"
    view.write_text(text)
    join = ("join", site / "anna" / "invitations" / "bert.json", tmp_path / "new")
    found = ("found", tmp_path / "new", "--site", "anna", "--invite", "bert", "--invite", "ada:analyst")
    for command in (join, found):
        ran = crossward(*command, "--address", "127.0.0.1:17102", "--data", site / "a.csv", "--view", view)
        assert ran.code == 1
        assert said in ran.err
        assert ran.err.count("\n") == 1
        assert not (tmp_path / "new").exists()
    ran = crossward(
        *join, "--address", "127.0.0.1:17102", "--data", site / "a.csv", "--view", tmp_path / "no"
    )
    assert ran.code == 2


def test_cli_a_member_without_data_takes_no_view(site, tmp_path):
    (tmp_path / "view.sql").write_text(VIEW)
    invitation = site / "anna" / "invitations" / "ada.json"
    ran = crossward("join", invitation, tmp_path / "ada", "--view", tmp_path / "view.sql")
    assert (ran.code, "brings no data" in ran.err) == (1, True)
