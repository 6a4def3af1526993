"""Snapshots proposed by the running sequencer, archives, and sites that lag behind them."""

import itertools
import shutil
import signal
import time

import pytest

from federation.node.ledger.snapshot_timer import RETRY_S, SnapshotTimer
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Table
from tests.cli.conftest import crossward, make_folder
from tests.ledger.ledger_world import World, an_exact
from tests.ledger.storage.test_ledger_checkpoint import snapshot
from tests.operations.operations_world import (
    SITES,
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


@pytest.fixture
def folders(tmp_path):
    made = make_folder(tmp_path / "here")
    set_ledger(made, "anna", snapshot_every=4)
    return made


@pytest.mark.slow
def test_the_running_sequencer_has_the_ledger_pinned_and_all_sites_sign(folders):
    with running(folders):
        for _ in range(7):
            asked(folders)
        time.sleep(0.5)  # a snapshot comes after the answer
        settled(folders, SITES)
    found = [kinds(folders.ledger(site)) for site in SITES]
    assert found[0] == found[1] == found[2]
    assert found[0].count("exact") == 7
    places = [number for number, kind in enumerate(found[0]) if kind == "snapshot"]
    assert places[0] >= 4
    assert all(4 <= later - earlier <= 9 for earlier, later in itertools.pairwise(places))
    report = whole(*(folders.ledger(site) for site in SITES))
    assert report.behind == {}
    for site in SITES:
        store = SqliteStore.read_only(folders.ledger(site))
        assert [note.number for note in store.notes(Table.CHECKPOINTS)] == places
        assert store.notes(Table.WITHDRAWALS) == []
        store.close()
    with running(folders):  # a start from the checkpoint
        asked(folders)


@pytest.mark.slow
def test_a_sequencer_killed_at_any_moment_pins_on(folders):
    set_ledger(folders, "anna", snapshot_every=2)
    with running(folders) as nodes:
        for round_number in range(5):
            asked(folders)
            time.sleep(0.004 * round_number)  # into the snapshot, before it, after it
            nodes.kill("anna", signal.SIGKILL)
            nodes.restart("anna")
        asked(folders)
        time.sleep(0.3)
        asked(folders)
    report = whole(*(folders.ledger(site) for site in SITES))
    assert report.behind == {}
    found = kinds(folders.ledger("bert"))
    assert found.count("exact") == 7
    assert found.count("snapshot") >= 4


def test_a_frozen_site_delays_no_charge_for_a_snapshot_and_the_next_try_waits():
    world = World().found()
    now = [0.0]
    clock = SnapshotTimer(world.head.replica, every=3, clock=lambda: now[0])
    assert not clock.is_due(charges_wait=False)
    for _ in range(2):
        world.agree(an_exact())
    assert clock.is_due(charges_wait=False)
    assert not clock.is_due(charges_wait=True)
    clock.failed()
    assert not clock.is_due(charges_wait=False)
    now[0] += RETRY_S
    assert clock.is_due(charges_wait=False)
    for _ in range(3):
        world.agree(an_exact())
    assert clock.is_due(charges_wait=True)  # long overdue
    snapshot(world)
    assert not clock.is_due(charges_wait=True)
    assert not clock.is_due(charges_wait=False)


def with_archives(folders, tmp_path, *sites):
    """Ask until there is a snapshot, stop, archive at some sites."""
    with running(folders):
        for _ in range(5):
            asked(folders)
        settled(folders, SITES)
    begins = last_snapshot(folders, "carl")
    for site in sites:
        ran = ledger(
            "archive", folders.site(site), "--into", tmp_path / f"{site}-old.sqlite", "--older-than", 0
        )
        assert (ran.code, ran.err) == (0, "")
        assert f"begins at entry {begins}" in ran.out
    return begins


def lose_disk(folders, site):
    shutil.rmtree(folders.ledger(site).parent)


@pytest.mark.slow
def test_a_site_without_ledger_learns_which_archive_to_use_and_catches_up(folders, tmp_path):
    begins = with_archives(folders, tmp_path, "anna", "bert")
    number = len(kinds(folders.ledger("carl")))
    lose_disk(folders, "carl")
    doctor = ["doctor", "-c", folders.consortium]
    with running(folders):
        refused = ask(folders)
        assert refused.code == 1
        assert "carl" in refused.err
        assert "archive of anna" in refused.err
        told = crossward(*doctor)
        assert told.code == 1
        assert f"entry 0 is in the archive of anna, whose ledger begins at {begins}" in told.out
        assert "crossward ledger catch-up" in told.out
        busy = ledger("catch-up", folders.site("carl"), tmp_path / "bert-old.sqlite")
        assert busy.code == 1
        assert "in use" in busy.err
    took = ledger("catch-up", folders.site("carl"), tmp_path / "bert-old.sqlite")
    assert (took.code, took.out) == (0, f"added {number} entries\n")
    assert (
        ledger("catch-up", folders.site("carl"), tmp_path / "anna-old.sqlite").out
        == "the file holds no new entry\n"
    )
    with running(folders):
        asked(folders)
    report = whole(*(folders.ledger(site) for site in SITES), tmp_path / "anna-old.sqlite")
    assert report.behind == {}


@pytest.mark.slow
def test_a_site_without_ledger_copies_it_from_a_complete_peer(folders, tmp_path):
    with_archives(folders, tmp_path, "anna")
    lose_disk(folders, "carl")
    with running(folders):
        asked(folders)
    assert kinds(folders.ledger("carl")) == kinds(folders.ledger("bert"))
    whole(*(folders.ledger(site) for site in SITES))


@pytest.mark.slow
def test_a_foreign_or_altered_archive_is_refused(folders, tmp_path):
    begins = with_archives(folders, tmp_path, "anna", "bert")
    other = make_folder(tmp_path / "other")
    with running(other):
        asked(other)
    lose_disk(folders, "carl")
    foreign = ledger("catch-up", folders.site("carl"), other.ledger("anna"))
    assert foreign.code == 1
    assert "own consortium file" in foreign.err
    altered = tmp_path / "altered.sqlite"
    altered.write_bytes((tmp_path / "bert-old.sqlite").read_bytes().replace(b"analysis", b"otherwis"))
    refused = ledger("catch-up", folders.site("carl"), altered)
    assert refused.code == 1
    assert "signature" in refused.err
    gap = ledger("catch-up", folders.site("carl"), folders.ledger("anna"))
    assert gap.code == 1
    assert f"begins at entry {begins}" in gap.err
    assert ledger("catch-up", folders.site("carl"), tmp_path / "bert-old.sqlite").code == 0


def test_an_export_beside_the_running_node_is_the_ledger(folders, tmp_path):
    with running(folders):
        asked(folders)
        for name in ("copy.sqlite", "copy.jsonl"):
            ran = ledger("export", folders.site("bert"), "--out", tmp_path / name)
            assert (ran.code, ran.out) == (0, f"wrote 2 entries to {tmp_path / name}\n")
            assert ledger("export", folders.site("bert"), "--out", tmp_path / name).code != 0
        asked(folders)
    report = whole(tmp_path / "copy.sqlite", tmp_path / "copy.jsonl", folders.ledger("bert"))
    assert [each.entries for each in report.files] == [2, 2, 3]
