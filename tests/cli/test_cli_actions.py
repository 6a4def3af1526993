"""Commands that do something, for programs: one document with the sentences, the files and the numbers."""

import json
import re
import shutil

import pytest
from typer.main import get_command

from federation.cli import reporting
from federation.cli.app import app
from tests.cli.conftest import ROOT, check_document, crossward, make_folder
from tests.setup.founding_world import rows
from tools import json_schemas


def every_command(group, words=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, (*words, name))
        else:
            yield (*words, name), command


def test_cli_every_command_has_json_and_a_schema():
    schemas = json_schemas.schemas()
    for words, command in every_command(get_command(app)):
        if words == ("dashboard",):
            continue  # it serves a page until it is stopped
        options = {option for each in command.params for option in each.opts}
        assert "--json" in options, words
        assert json_schemas.section_of(list(words), set()) in schemas
        if "--explain" in options and words != ("harmonise", "check"):
            assert json_schemas.section_of(list(words), {"--explain"}).endswith("--explain")


def test_json_schemas_are_those_of_the_code_and_name_every_field_of_their_page():
    wanted = json_schemas.files()
    there = {path.name: path.read_text("utf-8") for path in json_schemas.FOLDER.glob("*.json")}
    assert there == wanted, "run make reference"
    said = json_schemas.meanings()
    for name, shape in json_schemas.shapes().items():
        if name in said and name != "errors":
            fields = {key.removesuffix("?") for key in shape if not key.startswith("_")}
            extra = {"node", "check", "code", "text", "table", "column", "is_fault", "is_refusal"}
            assert set(said[name]) - fields - (extra if name == "preflight" else set()) == set(), name


def test_a_document_with_another_field_or_type_is_noticed():
    check_document(["down", "--json"], '{"command": "down", "messages": [], "files": [], "stopped": true}')
    for wrong in ('"stopped": 1', '"other": 1', '"words": "a"'):
        with pytest.raises(AssertionError):
            check_document(["down", "--json"], f'{{"command": "down", "messages": [], "files": [], {wrong}}}')


def test_cli_founding_in_documents(tmp_path):
    rows(tmp_path / "a.csv")
    anna, bert = tmp_path / "anna", tmp_path / "bert"
    common = ("--engine", "numpy", "--json")

    def done(*words):
        ran = crossward(*words)
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    founded = done(
        *("found", anna, "--site", "anna", "--address", "127.0.0.1:17111", "--data", tmp_path / "a.csv"),
        *("--invite", "bert", "--invite", "ada:analyst", *common),
    )
    assert founded["command"] == "found"
    invitation = next(file for file in founded["files"] if file.endswith("bert.json"))
    assert done("invite", anna, "zoe:auditor", "--json")["member"] == "zoe"
    joined = done(
        *("join", invitation, bert, "--address", "127.0.0.1:17112", "--data", tmp_path / "a.csv", *common)
    )
    assert len(joined["words"]) == 8
    (answer,) = joined["files"]
    admitted = done("admit", anna, answer, "--words", f"bert={' '.join(joined['words'])}", "--json")
    assert ("bert" in admitted["admitted"], admitted["waiting"]) == (True, ["ada", "zoe"])
    refused = crossward("admit", anna, tmp_path / "a.csv", "--json")
    assert (refused.out, json.loads(refused.err)["error"]["exit_code"]) == ("", refused.code)


def test_cli_what_was_done_before_an_error_is_in_the_document(monkeypatch):
    @reporting.reported("down")
    def command(*, fails):
        if fails != "at once":
            reporting.say("first")
        if fails:
            raise ValueError("late")

    shown = []
    monkeypatch.setattr(reporting, "print_json", shown.append)
    command(fails="", as_json=True)
    with pytest.raises(ValueError, match="late"):
        command(fails="later", as_json=True)
    with pytest.raises(ValueError, match="late"):
        command(fails="at once", as_json=True)
    assert [each["messages"] for each in shown] == [["first"], ["first"]]
    assert not reporting.is_document()


def test_cli_amendments_and_ledger_files_in_documents(hospital, tmp_path):
    site, amendment = hospital.site("anna"), tmp_path / "raise.json"
    asked = ("ledger", "propose", "raise-budget", site, "--population", "visits", "--epsilon", "5")
    proposed = json.loads(crossward(*asked, "--out", amendment, "--json").out)
    assert (proposed["files"], len(proposed["amendment"])) == ([str(amendment)], 64)
    approved = json.loads(crossward("ledger", "approve", site, amendment, "--json").out)
    assert (approved["site"], approved["amendment"]) == ("anna", proposed["amendment"])
    revoked = [json.loads(crossward("ledger", "revoke", site, amendment, "--json").out) for _ in range(2)]
    assert [each["was_approved"] for each in revoked] == [True, False]
    exported = json.loads(crossward("ledger", "export", site, "--out", tmp_path / "a.jsonl", "--json").out)
    assert exported["entries"] >= 1
    assert (
        crossward("ledger", "export", site, "--out", tmp_path / "none" / "a.jsonl", "--json").code == 2
    )  # and no document
    ledger = hospital.ledger("anna")
    page = json.loads(crossward("audit", "report", ledger, "--out", tmp_path / "r.html", "--json").out)
    assert (page["files"], page["broken"]) == ([str(tmp_path / "r.html")], "")


def test_cli_down_and_init_in_documents(tmp_path, monkeypatch):
    folders = make_folder(tmp_path / "here")
    assert json.loads(crossward("down", folders.root, "--json").out)["stopped"] is False
    rows(tmp_path / "a.csv")
    shutil.copy(tmp_path / "a.csv", tmp_path / "b.csv")
    made = crossward(
        *(
            "init",
            tmp_path / "trial",
            "--site",
            f"a={tmp_path / 'a.csv'}",
            "--site",
            f"b={tmp_path / 'b.csv'}",
        ),
        "--json",
    )
    assert made.code == 0, made.err
    assert json.loads(made.out)["files"] == [str(tmp_path / "trial" / "consortium.toml")]

    class Nodes:
        def __init__(self, *_, **__):
            self.pids, self.is_running, self.failed = {"anna": 7}, False, False

        def stop(self):
            """Nothing runs."""

    monkeypatch.setattr("federation.processes.launcher.Launcher", Nodes)
    started = crossward("up", folders.root, "--detach", "--json")
    assert json.loads(started.out)["nodes"] == {"anna": 7}
    monkeypatch.setattr("federation.node.site_process.serve_site", lambda path, stop, say_ready: say_ready())
    monkeypatch.setattr("federation.cli.operate._stop_on_signals", lambda: None)
    assert json.loads(crossward("site", "serve", folders.site("anna"), "--json").out)["ready"] is True


def test_cli_the_words_of_the_page_are_the_commands():
    commands = {" ".join(words) for words, _ in every_command(get_command(app))}
    said = json_schemas.shapes()["commands"]
    assert {re.sub(r" --\w+$", "", name) for name in said} <= commands
    assert "json-schemas" in (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")
