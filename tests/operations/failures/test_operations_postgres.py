"""A site with its ledger in PostgreSQL: the same node and commands, killed and restarted."""

import importlib.util
import signal

import pytest

from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.node.ledger.storage import read_ledger
from federation.processes.launcher import Launcher
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.store import Table
from tests.cli.conftest import crossward, make_folder
from tests.operations.operations_world import (
    ask,
    asked,
    kinds,
    last_snapshot,
    ledger,
    running,
    set_ledger,
    settled,
    whole,
)

psycopg = pytest.importorskip("psycopg")
SECRET = "s3cret-of-bert"


@pytest.fixture
def folders(tmp_path, postgres):
    """Anna, who orders, and bert keep their ledgers in one server; carl in a file."""
    made = make_folder(tmp_path / "here")
    set_ledger(made, "anna", postgres=postgres, schema="anna_of_this_test", snapshot_every=4)
    set_ledger(made, "bert", postgres=f"{postgres} password={SECRET}")
    yield made
    with psycopg.connect(postgres, autocommit=True) as connection:
        for schema in ("anna_of_this_test", "crossward_bert"):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def opened(folders, site):
    return read_ledger(load_site(folders.site(site)))


def exported(folders, tmp_path, site, name):
    out = tmp_path / name
    ran = ledger("export", folders.site(site), "--out", out)
    assert (ran.code, ran.err) == (0, "")
    return out


def test_a_site_answers_is_killed_restarted_and_goes_on(folders, tmp_path, postgres):
    with running(folders) as nodes:
        asked(folders)
        for victim in ("bert", "anna"):
            nodes.kill(victim, signal.SIGKILL)
            assert ask(folders).code != 0
            nodes.restart(victim)
            asked(folders)
        copy = exported(folders, tmp_path, "bert", "beside.sqlite")  # beside the running node
        asked(folders)
    assert not list(folders.root.glob("sites/[ab]*/state/ledger.sqlite*"))  # in the server and nowhere else
    files = [copy, *(exported(folders, tmp_path, site, f"{site}.sqlite") for site in ("anna", "bert"))]
    lines = exported(folders, tmp_path, "bert", "bert.jsonl")
    report = whole(*files, lines, folders.ledger("carl"))
    assert kinds(files[1]) == kinds(files[2]) == kinds(lines) == kinds(folders.ledger("carl"))
    assert kinds(files[1]).count("exact") == 4
    assert "snapshot" in kinds(files[1])
    assert [each.owner for each in report.files] == ["bert", "anna", "bert", "bert", "carl"]
    for command in ("statement", "recompute"):
        assert crossward("audit", command, files[1]).code == 0
    store = opened(folders, "bert")
    assert len(store.notes(Table.STARTED)) == 4
    assert store.guards_missing() == []
    store.close()


@pytest.mark.slow
def test_the_server_goes_away_and_comes_back(folders, postgres):
    """A write that failed stops the site by name; nothing is half-written; restarted it goes on."""
    with running(folders) as nodes:
        asked(folders)
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
            )
        refused = ask(folders)
        assert refused.code == 1
        told = crossward("doctor", "-c", folders.consortium)
        assert told.code == 1
        assert "restart the node" in told.out
        for site in ("anna", "bert"):
            nodes.kill(site, signal.SIGTERM)
        for site in ("anna", "bert"):
            nodes.restart(site)
        asked(folders)
    store = opened(folders, "anna")
    assert store.height() == 3
    store.close()


@pytest.mark.slow
def test_old_entries_move_from_the_server_to_a_file_and_the_node_goes_on(folders, tmp_path):
    with running(folders) as nodes:
        for _ in range(5):
            asked(folders)
        settled(folders, ["carl"])
        busy = ledger("archive", folders.site("bert"), "--into", tmp_path / "old.sqlite", "--older-than", 0)
        assert busy.code == 1
        assert "in use" in busy.err
        assert nodes.is_running
    begins = last_snapshot(folders, "carl")
    ran = ledger("archive", folders.site("bert"), "--into", tmp_path / "old.sqlite", "--older-than", 0)
    assert (ran.code, ran.err) == (0, "")
    assert f"begins at entry {begins}" in ran.out
    young = ledger("archive", folders.site("anna"), "--into", tmp_path / "young.sqlite", "--older-than", 1)
    assert young.code == 1
    assert "old enough" in young.err
    with running(folders):
        asked(folders)
        shown = ledger("show", folders.site("bert"))
        assert f"those before {begins} are archived" in shown.out
        assert "schema crossward_bert of the PostgreSQL server" in shown.out
    report = whole(
        tmp_path / "old.sqlite", exported(folders, tmp_path, "bert", "bert.sqlite"), folders.ledger("carl")
    )
    assert [each.begins for each in report.files] == [0, begins, 0]


def test_the_password_is_shown_nowhere(folders, tmp_path):
    config = load_site(folders.site("bert"))
    assert SECRET not in repr(config)
    assert SECRET not in str(config.file.ledger)
    nowhere = f"host={tmp_path}/none dbname=x password={SECRET}"
    set_ledger(folders, "bert", postgres=nowhere)
    with pytest.raises(LedgerRefusedError) as caught:
        opened(folders, "bert")
    assert SECRET not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"
    with pytest.raises(
        ConfigError, match="bert could not start: the ledger's server cannot be reached"
    ) as failed:
        Launcher(folders)
    assert SECRET not in str(failed.value)
    told = crossward("doctor", "-c", folders.consortium, "--site", folders.site("bert"))
    assert (
        "FIX ledger in schema crossward_bert of the PostgreSQL server: the ledger's server cannot be reached"
        in told.out
    )
    assert SECRET not in told.out + told.err
    for log in folders.logs.iterdir():
        assert SECRET not in log.read_text()
    set_ledger(folders, "bert", postgres=7, schema="Not A Name", snapshot_every=1)
    with pytest.raises(ConfigError) as wrong:
        load_site(folders.site("bert"))
    assert len(wrong.value.mistakes) == 3
    for settings in ({"postgres": ""}, {"schema": "fine"}, {"postgres": "host=x", "table": "entries"}):
        set_ledger(folders, "bert", **settings)
        with pytest.raises(ConfigError) as wrong:
            load_site(folders.site("bert"))
        assert len(wrong.value.mistakes) == 1


def test_without_the_driver_the_extra_is_named(folders, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "psycopg" else found(name))
    told = crossward("doctor", "-c", folders.consortium, "--site", folders.site("bert"))
    assert "needs the extra: pip install 'crossward[postgres]'" in told.out
    assert ledger("show", folders.site("bert")).code == 1


@pytest.mark.slow
def test_a_lost_database_schema_is_restored_from_peers_or_an_archive(folders, tmp_path, postgres):
    def lose():
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("DROP SCHEMA crossward_bert CASCADE")

    with running(folders):
        for _ in range(5):
            asked(folders)
        settled(folders, ["carl"])
    lose()
    with running(folders):
        asked(folders)
    for site in ("anna", "carl"):
        ran = ledger("archive", folders.site(site), "--into", tmp_path / f"{site}.sqlite", "--older-than", 0)
        assert ran.code == 0, ran.err
    lose()
    took = ledger("catch-up", folders.site("bert"), tmp_path / "anna.sqlite")
    assert (took.code, took.err) == (0, "")
    assert "added" in took.out
    with running(folders):
        asked(folders)
    report = whole(
        tmp_path / "carl.sqlite", folders.ledger("carl"), exported(folders, tmp_path, "bert", "bert.sqlite")
    )
    assert (
        report.files[1].entries == report.files[2].begins + report.files[2].entries > report.files[0].entries
    )


@pytest.mark.slow
def test_doctor_looks_at_the_ledger_beside_the_node(folders, postgres):
    with running(folders):
        asked(folders)
        doctor = ["doctor", "-c", folders.consortium, "--site"]
        for site, place in (("bert", "schema crossward_bert"), ("carl", "ledger.sqlite")):
            told = crossward(*doctor, folders.site(site))
            line = next(line for line in told.out.splitlines() if " ledger in " in line)
            assert line.startswith("ok")
            assert place in line
            assert "entries 0 to 1" in line
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("ALTER TABLE crossward_bert.entries DISABLE TRIGGER no_change")
        told = crossward(*doctor, folders.site("bert"))
        assert told.code == 1
        assert "lacks append-only triggers (entries_no_change)" in told.out


def test_two_nodes_on_one_schema_are_one_too_many(folders, postgres):
    set_ledger(folders, "bert", postgres=postgres, schema="anna_of_this_test")
    with pytest.raises(ConfigError, match=r"could not start: the (ledger is in use|schema is the ledger of)"):
        Launcher(folders)
