"""Forms of input and output that all commands share: files, folders, CSV, JSON errors, help, examples."""

import csv
import io
import json
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from federation.cli.app import app
from federation.cli.examples import EXAMPLES, commands
from federation.cli.questions import analyst, mine, stats
from tests.cli.conftest import crossward, make_folder, spawned

sys.path.insert(0, str(Path(__file__).parents[1] / "federation"))
from hospitals import BUDGET, in_threads

COUNT = "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "4"}) as opened:
        yield opened


@pytest.fixture
def here(session, monkeypatch):
    for module in (analyst, stats, mine):
        monkeypatch.setattr(module, "open_session", lambda *_: nullcontext(session))


def ask(*arguments):
    return crossward(arguments[0], "-c", "here", *arguments[1:])


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("here")
def test_cli_a_question_comes_from_a_file_or_from_standard_input(tmp_path, monkeypatch):
    file = tmp_path / "question.sql"
    file.write_text(COUNT + "\n")
    answers = [ask("query", "-f", file, "--exact", "--json"), ask("query", COUNT, "--exact", "--json")]
    for arguments in (("-f", "-"), ("-",)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(COUNT))
        answers.append(ask("query", *arguments, "--exact", "--json"))
    assert len({json.dumps(json.loads(ran.out)["rows"]) for ran in answers}) == 1
    quoted = ask("quote", "-f", file, "--epsilon", "0.5", "--json")
    assert json.loads(quoted.out)[0]["epsilon"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exact"], "SQL as an argument, or --file FILE"),
        ([COUNT, "-f", "q.sql", "--exact"], "not both"),
        (["-f", "/none.sql", "--exact"], "cannot read /none.sql"),
        ([COUNT, "--exact", "--csv", "--json"], "--json or --csv, not both"),
    ],
)
def test_cli_a_question_is_given_once_and_shown_in_one_form(arguments, said):
    ran = ask("query", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.usefixtures("here")
def test_cli_csv_of_an_answer_has_noise_interval_and_flags():
    exact = table(ask("query", COUNT, "--exact", "--csv").out)
    assert list(exact[0]) == ["sex", "n", "flags"]
    private = table(ask("query", COUNT, "--epsilon", "0.5", "--csv").out)
    assert list(private[0]) == ["sex", "n", "n sd", "n low", "n high", "flags"]
    for row, truth in zip(private, exact, strict=True):
        assert float(row["n low"]) <= float(row["n"]) <= float(row["n high"])
        assert abs(float(row["n"]) - float(truth["n"])) < 12 * float(row["n sd"])
    budget = table(ask("budget", "--csv").out)
    assert {row["sub_budget"] for row in budget} >= {"query"}
    (quoted,) = table(ask("quote", COUNT, "--epsilon", "0.5", "--csv").out)
    assert quoted["sql"] == COUNT
    share = 100 * float(quoted["cost"]) / (float(quoted["spent"]) + float(quoted["remaining"]))
    assert f"{share:.3g} %" in ask("quote", COUNT, "--epsilon", "0.5").out


@pytest.mark.usefixtures("here")
def test_cli_table_one_is_printed_and_is_json():
    given = ["table_one", "columns=age,", "groupby=sex", "--exact"]
    answer = json.loads(ask("stats", *given, "smd=true", "--json").out)
    assert (answer["groupby"], answer["table"][0]["variable"]) == ("sex", "n")
    assert "age, mean (SD)" in ask("stats", *given).out
    refused = ask("stats", "table_one", "columns=age,", "groupby=sex", "pval=true", "--epsilon", "1")
    assert "figures with noise" in refused.err


@pytest.mark.usefixtures("here")
def test_cli_the_noise_that_is_named_is_shown_with_its_alternatives():
    shown = ask("query", COUNT, "--epsilon", "0.5", "--mechanism", "laplace", "--explain").out
    assert "laplace *" in shown
    assert "Laplace noise (laplace was asked for)" in shown
    assert "such questions fit" in ask("quote", COUNT, "--epsilon", "0.5").out
    paid = ask("query", COUNT, "--epsilon", "0.2", "--mechanism", "laplace")
    assert paid.code == 0
    assert "; Laplace noise" in paid.out
    wrong = ask("query", COUNT, "--epsilon", "0.5", "--mechanism", "lap")
    assert wrong.code != 0
    assert "must be one of auto, gaussian, laplace" in wrong.err


@pytest.mark.usefixtures("here")
def test_cli_statistics_by_name_equal_the_session(session):
    given = ["chi_square", "a=sex", "b=disease"]
    answer = json.loads(ask("stats", *given, "--exact", "--json").out)
    assert answer["statistic"] == session.table().chi_square("sex", "disease", exact=True).statistic
    shown = ask("stats", *given, "--exact")
    assert f"dof: {answer['dof']}" in shown.out
    assert "exact requests of this analyst" in shown.out
    rows = table(ask("stats", *given, "--exact", "--csv").out)
    assert [[float(row[name]) for name in list(row)[1:]] for row in rows] == answer["observed"]
    plan = ask("stats", *given, "--epsilon", "0.5", "--explain")
    assert plan.code == 0
    assert "epsilon 0.5" in plan.out


@pytest.mark.usefixtures("here")
def test_cli_a_statistic_opens_alone(session):
    given = ["chi_square", "a=sex", "b=disease", "reveal=statistic", "--exact"]
    whole = session.table().chi_square("sex", "disease", exact=True).statistic
    (row,) = table(ask("stats", *given, "--csv").out)
    assert float(row["statistic"]) == float(f"{whole:.3g}")
    assert f"statistic: {whole:.3g}" in ask("stats", *given).out
    plan = ask("stats", *given, "--explain").out
    assert "1 number(s) and 1 bit(s) opened to the analyst alone" in plan
    refused = ask("stats", *given[:-1], "--epsilon", "0.5")
    assert "reveal must be table for a private answer" in refused.err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense", "--exact"], "must be one of anova, brier, calibration, chi_square"),
        (["chi_square", "a=sex", "--exact"], "b must be given"),
        (["chi_square", "a=sex", "a=sex", "--exact"], "each name once"),
        (["chi_square", "sex", "--exact"], "NAME=VALUE"),
        (["chi_square", "a=sex", "b=disease", "exact=true", "--exact"], "NAME=VALUE"),
        (["chi_square", "a=sex", "b=disease"], "--epsilon E"),
        (
            ["chi_square", "a=sex", "b=disease", "--exact", "--table", "none"],
            "not one of this consortium, which has patients",
        ),
    ],
)
def test_cli_statistics_by_name_refuse_what_is_wrong(arguments, said):
    ran = ask("stats", *arguments)
    assert ran.code == 2, ran.err
    assert said in ran.err


def test_cli_values_of_statistics_are_json_lists_or_texts():
    read = stats.read_arguments(
        ["a=age,sex", "b=age,", "c=[1, 2.5]", "d=true", "e=sex=M", "f=7", 'g="7"', "h=1,2"]
    )
    assert read["a"] == ["age", "sex"]
    assert read["b"] == ["age"]
    assert [str(each) for each in read["c"]] == ["1", "2.5"]
    assert (read["d"], read["e"], read["f"], read["g"], read["h"]) == (True, "sex=M", 7, "7", [1, 2])


def test_cli_statistics_are_listed_without_a_consortium():
    from analytics.statistics.register import register

    listed = json.loads(crossward("stats", "--json").out)
    assert set(listed) == {entry.name for entry in register()}
    assert "default: True" in crossward("stats").out


@pytest.mark.usefixtures("here")
def test_cli_mining_needs_no_table_where_there_is_one(session):
    ran = ask("mine", "disease", "sex=M", "--min-support", "0.2", "--exact", "--csv")
    assert ran.code == 0, ran.err
    assert "lift" in next(iter(table(ran.out)), {"lift": ""})
    assert ask("mine", "disease", "--min-support", "0.2", "--exact", "--nested", "nonsense").code == 2
    from federation.cli.options import only_table
    from federation.cli.outcome import UsageError

    several = SimpleNamespace(schema=SimpleNamespace(tables={"a": None, "b": None}))
    with pytest.raises(UsageError, match="one of a, b"):
        only_table(several, None)
    assert only_table(several, "b") == "b"
    assert only_table(session.consortium, None) == "patients"


# files and folders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("forms") / "here", helpers=())


def test_cli_schema_lists_columns_and_domains_from_file_or_folder(folders):
    shown = crossward("schema", "-c", folders.root)
    assert shown.code == 0, shown.err
    assert shown.out == crossward("schema", "-c", folders.consortium).out
    for word in (
        "age",
        "0 to 120",
        "bins at 0, 40, 60, 120",
        "hidden",
        "true, false",
        "guessed",
        "privacy unit",
    ):
        assert word in shown.out
    assert json.loads(crossward("schema", "-c", folders.root, "--json").out)["visits"]["columns"]["sex"]
    rows = table(crossward("schema", "-c", folders.root, "--csv").out)
    assert [row["column"] for row in rows] == ["age", "sex", "chol", "hidden"]
    assert crossward("schema", "-c", folders.root, "--table", "none").code == 2


def test_cli_an_administrator_needs_no_identity_of_an_analyst(folders):
    for path in (folders.root / "analysts").glob("*.pem"):
        path.unlink()
    ran = crossward("doctor", "-c", folders.root)
    assert "nodes: not asked: a certificate is needed" in ran.out
    ran = crossward("doctor", "-c", folders.root, "--site", folders.site("anna"))
    assert ran.out.count("certificate of site anna") == 1
    assert "node bert: " in ran.out
    assert "start it" in ran.out


def test_cli_a_folder_without_a_consortium_is_named(tmp_path):
    for arguments in (["budget"], ["schema"], ["query", "SELECT 1", "--exact"]):
        ran = crossward(arguments[0], "-c", tmp_path, *arguments[1:])
        assert ran.code == 1
        assert f"cannot read {tmp_path / 'consortium.toml'}" in ran.err


# errors as JSON


@pytest.mark.usefixtures("here")
def test_cli_errors_are_json_with_json():
    ran = ask("query", "SELECT nothing FROM patients", "--exact", "--json")
    error = json.loads(ran.err)["error"]
    assert (ran.code, ran.out) == (2, "")
    assert error["code"] == "PlanRejectedError"
    assert error["exit_code"] == 2
    assert error["fields"]["position"]
    assert error["message"] in ask("query", "SELECT nothing FROM patients", "--exact").err


@pytest.mark.parametrize(
    ("arguments", "code", "number"),
    [
        (["nonsense", "--json"], "UsageError", 2),
        (["query", "--json"], "UsageError", 2),
        (["schema", "-c", "/none.toml", "--json"], "ConfigError", 1),
        (["audit", "price", "/none.json", "--json"], "UsageError", 2),
    ],
)
def test_cli_every_error_is_json_with_json(arguments, code, number):
    ran = crossward(*arguments)
    error = json.loads(ran.err)["error"]
    assert (ran.code, error["code"], error["exit_code"]) == (number, code, number)


def test_cli_a_fault_of_its_own_is_json_too_and_debug_shows_where(monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("federation.consortium.consortium_file.load_consortium", broken)
    assert json.loads(crossward("schema", "-c", "x", "--json").err)["error"]["code"] == "InternalFault"
    assert "Traceback" in crossward("--debug", "schema", "-c", "x").err


def test_cli_json_after_two_dashes_is_text():
    ran = crossward("query", "-c", "/none.toml", "--exact", "--", "--json")
    assert ran.err.startswith("crossward: ")


# help


def test_cli_version_short_help_and_completion():
    from importlib.metadata import version

    assert crossward("--version").out.split() == ["crossward", version("crossward")]
    for words in ([], ["query"], ["audit"], ["ledger", "propose", "raise-budget"]):
        short, long = crossward(*words, "-h"), crossward(*words, "--help")
        assert (short.code, short.out) == (0, long.out)
    completed = spawned(_CROSSWARD_COMPLETE="complete_bash", COMP_WORDS="crossward que", COMP_CWORD="1")
    assert "query" in completed.out


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_cli_every_example_can_be_read(name):
    group = typer.main.get_command(app)
    for line in EXAMPLES[name]:
        program, *words = shlex.split(line)
        assert program == "crossward"
        depth = len(name.split())
        assert " ".join(words[:depth]) == name
        command = group
        for word in words[:depth]:
            command = command.commands[word]
        command.make_context(name, words[depth:])


def test_cli_every_command_has_an_example_in_its_help():
    named = dict(commands(app))
    assert set(named) == set(EXAMPLES)
    for name, command in named.items():
        assert EXAMPLES[name][0] in command.epilog
