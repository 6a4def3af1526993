"""The preflight command over processes, and what a site's administrator sees of it."""

import json
import shutil

import pytest

from federation.consortium.folders import Folders
from federation.processes.launcher import Launcher
from tests.cli.conftest import crossward, make_folder

COUNT = "SELECT COUNT(*) AS n FROM visits"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Three sites and a dealer, each with a file of its own that a test may break."""
    folders = make_folder(tmp_path_factory.mktemp("preflight") / "here")
    for name in ("anna", "bert", "carl"):
        path = folders.site(name)
        text = path.read_text("utf-8")
        line = next(line for line in text.splitlines() if line.startswith("source = "))
        own = path.parent / "own.csv"
        shutil.copy(json.loads(line.removeprefix("source = ")), own)
        path.write_text(text.replace(line, 'source = "own.csv"'), "utf-8")
    with Launcher(folders):
        yield folders


def test_cli_preflight_says_where_all_is_in_order_and_what_rules_refuse(running: Folders):
    ran = crossward("preflight", "-c", running.consortium)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("ok  anna, bert, carl, dealer")
    assert crossward("preflight", COUNT, "-c", running.consortium, "--exact").code == 0
    of_statistic = ["--statistic", "chi_square", "--argument", "a=sex", "--argument", "b=hidden", "--exact"]
    assert crossward("preflight", "-c", running.consortium, *of_statistic).code == 0
    ran = crossward("preflight", COUNT, "-c", running.consortium, "--epsilon", "3", "--json")
    assert ran.code == 3
    shown = json.loads(ran.out)
    assert not shown["is_ready"]
    assert {each["code"] for each in shown["findings"]} >= {"PolicyRefusedError"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([COUNT], "--epsilon E or --exact"),
        ([COUNT, "--epsilon", "1", "--exact"], "--epsilon E or --exact"),
        ([COUNT, "--task", "t.toml"], "one of"),
        (["--epsilon", "1"], "for a question"),
        (["SELECT 1", "--epsilon", "1"], "FROM"),
    ],
)
def test_cli_preflight_wrong_usage(running, arguments, said):
    ran = crossward("preflight", "-c", running.consortium, *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_cli_preflight_tells_the_analyst_a_code_and_the_administrator_everything(running: Folders):
    own = running.site("carl").parent / "own.csv"
    whole = own.read_text("utf-8")
    try:
        own.write_text(whole.replace("chol", "secret_chol_name", 1), "utf-8")
        ran = crossward("preflight", "-c", running.consortium)
        assert ran.code == 1
        assert "FIX carl: data visits: the site's view cannot be computed over its source" in ran.out
        assert "ok  anna, bert, dealer" in ran.out
        assert "secret" not in ran.out
        assert "303" not in ran.out
        record = running.site("carl").parent / "state" / "preflight.json"
        assert record.stat().st_mode & 0o777 == 0o600
        kept = json.loads(record.read_text())["tables"]["visits"]
        assert kept["changed_since_start"]
        assert "there is no column chol" in kept["faults"][0]["reason"]
        assert any("303 rows read" in line for line in kept["ingest"])
        doctor = crossward("doctor", "-c", running.consortium, "--site", running.site("carl"))
        assert "FIX data: own.csv: the site's view cannot be computed: there is no column chol" in doctor.out
        assert "ok  preflight of analyst at " in doctor.out
        assert "files were written since the node read them" in doctor.out
        assert "ok  disk: " in doctor.out
    finally:
        own.write_text(whole, "utf-8")
    assert crossward("preflight", "-c", running.consortium).code == 0
    other = crossward("doctor", "-c", running.consortium)  # without the site's own file
    assert "preflight of" not in other.out
