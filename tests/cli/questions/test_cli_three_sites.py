"""A consortium without a dealer from the command line: init, up, query, mine, doctor, down."""

import json

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.processes.stop import stop_nodes
from tests.cli.conftest import crossward, make_folder, spawned
from tests.setup.setup_world import HEART

COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
FILE = HEART / "cleveland.csv"


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """Three sites that compute, and no other process, started by the command."""
    folders = make_folder(
        tmp_path_factory.mktemp("cli") / "here", helpers=(), three_sites=("carl", "anna", "bert")
    )
    started = spawned("up", folders.root, "--detach")
    try:
        assert started.code == 0, started.err
        assert [line.split()[0] for line in started.out.splitlines() if "runs as" in line] == [
            "anna",
            "bert",
            "carl",
        ]
        yield folders
    finally:
        stop_nodes(folders)


def test_cli_guarded_answer_says_that_two_of_the_three_could_read(trio):
    for option in ("--exact", "--exact --explain"):
        ran = crossward("query", "-c", trio.consortium, COUNT, *option.split())
        assert (ran.code, ran.err) == (0, "")
        assert "secrecy threshold 1 of 3 computing sites: carl and anna evaluate, bert deals" in ran.out
    answer = json.loads(crossward("query", "-c", trio.consortium, COUNT, "--exact", "--json").out)
    assert answer["rows"] == [[0, 3 * 97], [1, 3 * 206]]
    assert answer["receipt"]["secrecy"]["deals"] == "bert"


def test_cli_a_private_answer_states_that_it_needs_no_helper(trio):
    ran = crossward("query", "-c", trio.consortium, COUNT, "--epsilon", "0.25")
    assert (ran.code, ran.err) == (0, "")
    assert "secrecy threshold 2 of 3 sites; no helper takes part" in ran.out


def test_cli_mining_says_it_too(trio):
    arguments = ["--table", "visits", "sex=0", "hidden"]
    arguments += ["--min-support", "0.05", "--min-confidence", "0.1", "--exact"]
    for option in ([], ["--explain"]):
        ran = crossward("mine", "-c", trio.consortium, *arguments, *option)
        assert (ran.code, ran.err) == (0, "")
        assert "secrecy threshold 1 of 3" in " ".join(ran.out.split())


def test_cli_doctor_finds_no_fault_and_lists_the_computing_sites(trio):
    ran = crossward("doctor", "-c", trio.consortium)
    assert "ok  comparisons and products: secrecy threshold 1 of 3 computing sites" in ran.out
    assert not [line for line in ran.out.splitlines() if line.startswith("FIX") and "schema" not in line]


def test_cli_init_without_a_dealer(tmp_path):
    sites = [f"--site={name}={FILE}" for name in ("dora", "anna", "bert", "carl")]
    ran = crossward("init", tmp_path / "new", *sites, "--without-dealer")
    assert (ran.code, ran.err) == (0, "")
    agreement = load_consortium(tmp_path / "new" / "consortium.toml")
    assert agreement.three_sites is not None
    assert agreement.three_sites.names == ("dora", "anna", "bert")
    assert not (tmp_path / "new" / "helpers" / "dealer").exists()
    few = crossward("init", tmp_path / "few", *sites[:2], "--without-dealer")
    assert (few.code, few.out) == (1, "")
    assert "at least three sites: without a dealer three compute" in few.err
