"""A ledger of which nothing was charged may be put aside; any other binds its site."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.budget.allowance import allowance_units
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import BudgetChange, MembersChange
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage import set_aside
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.set_aside import set_aside_file
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.uncharged import chain_of, what_binds
from tests.ledger.ledger_world import (
    CONSORTIUM,
    Crash,
    World,
    a_budget,
    a_charge,
    a_request,
    an_exact,
    cancel_of,
)

BUDGET = a_budget()
PART = BUDGET.sub_budgets["query"]
MORE = replace(PART, epsilon=Fraction(8), allowance=allowance_units(Fraction(8), PART.delta, PART.order))
RAISED = BudgetChange(
    population="cardiology", budget=replace(BUDGET, epsilon=Fraction(8), sub_budgets={"query": MORE})
)
MOVED = MembersChange(change="sequencer", name="basel", key="", sequencer="basel")


def files(tmp_path):
    return World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name))


def close(world):
    for site in world.sites.values():
        site.store.close()


def test_a_ledger_without_any_note_is_of_no_chain_and_binds_no_site(make_store):
    store = make_store()
    assert (chain_of(store), what_binds(store)) == ("", "")


def test_genesis_and_snapshots_bind_no_site(world):
    for _ in range(2):
        assert world.agree(snapshot_draft(world.head.replica).content).entries
    for site in world.sites.values():
        assert site.store.height() == 3
        assert chain_of(site.store) == CONSORTIUM
        assert what_binds(site.store) == ""


@pytest.mark.parametrize(
    ("content", "kind"),
    [(a_charge(), "charge"), (an_exact(), "exact"), (RAISED, "budget"), (MOVED, "members")],
    ids=["charge", "exact", "budget", "members"],
)
def test_any_other_entry_binds_every_site(world, content, kind):
    assert world.agree(content).entries
    for site in world.sites.values():
        assert what_binds(site.store) == f"its ledger holds the {kind} entry 1"


def test_a_charge_that_was_given_back_binds_too(world):
    charge = world.agree(a_charge()).entries[0]
    assert world.agree(cancel_of(charge)).entries
    assert what_binds(world.head.store) == "its ledger holds the charge entry 1"


def test_a_charge_of_two_sites_binds_the_third_once_it_has_the_entry(world):
    charge = a_charge(asked=a_request(run="r" * 64, round_=1))
    assert world.agree(charge, cohort=("ankara", "basel")).entries
    assert what_binds(world.head.store) == "its ledger holds the charge entry 1"
    world.catch_up("cairo")
    assert what_binds(world.sites["cairo"].store) == "its ledger holds the charge entry 1"


def test_a_signature_whose_outcome_is_open_binds_until_the_outcome_is_there(world):
    """Basel signs a charge and hears no more; cairo is away, so the sequencer cannot complete it."""
    site, given = world.sites["basel"], []
    receive = site.receive

    def hears_once(data):
        given.append(data)
        if len(given) > 1:
            raise Crash
        return receive(data)

    site.receive, world.lost_before = hears_once, {"cairo"}
    assert not world.agree(a_charge()).entries
    assert what_binds(site.store) == "it signed the charge entry 1, whose outcome it does not know yet"
    site.receive, site.up, world.lost_before = receive, True, set()
    world.restart("ankara")
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert [what_binds(each.store) for each in world.sites.values()] == ["", "", ""]


def test_the_sequencer_is_bound_by_what_it_proposed_until_it_withdrew(world):
    world.lost_before = {"basel", "cairo"}
    world.head.store.countdown, world.head.store.after = 0, True  # dies after the proposal is written
    with pytest.raises(Crash):
        world.agree(a_charge())
    assert what_binds(world.head.store).startswith("it signed the charge entry 1")


def test_a_site_that_signed_another_genesis_alone_is_bound_by_nothing_and_knows_its_chain():
    world = World()
    world.sequencer.recover(world.heads())
    world.lost_before = {"cairo"}
    assert not world.agree(world.genesis.content).entries
    for name in ("ankara", "basel"):
        assert chain_of(world.sites[name].store) == CONSORTIUM
        assert what_binds(world.sites[name].store) == ""


def test_an_archived_ledger_binds(tmp_path):
    world = files(tmp_path).found()
    for _ in range(3):
        world.agree(a_charge())
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    close(world)
    archive(tmp_path / "ankara.db", tmp_path / "old.db", older_than=world.now)
    store = SqliteStore.read_only(tmp_path / "ankara.db")
    assert what_binds(store) == "the entries of its ledger before 4 are archived"
    store.close()


def test_a_ledger_that_binds_is_not_renamed(tmp_path):
    world = files(tmp_path).found()
    world.agree(a_charge())
    close(world)
    path = tmp_path / "ankara.db"
    with pytest.raises(LedgerRefusedError, match="its ledger holds the charge entry 1"):
        set_aside_file(path, CONSORTIUM)
    store = SqliteStore.read_only(path)
    assert store.height() == 2
    store.close()
    assert not list(tmp_path.glob("*kept*"))


def test_a_ledger_in_use_is_not_renamed(tmp_path):
    world = files(tmp_path).found()
    with pytest.raises(LedgerRefusedError, match="in use"):
        set_aside_file(tmp_path / "ankara.db", CONSORTIUM)
    close(world)
    reader = SqliteStore.read_only(tmp_path / "basel.db")
    writer = SqliteStore(tmp_path / "basel.db", owner="basel")
    writer.close()
    reader.close()
    assert set_aside_file(tmp_path / "basel.db", CONSORTIUM).exists()


@pytest.mark.parametrize("step", ["settle_log", "what_binds", "sync_file", "rename", "chmod", "sync_folder"])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_leaves_the_ledger_whole_at_one_place(tmp_path, monkeypatch, step, is_done):
    world = files(tmp_path).found()
    close(world)
    path = tmp_path / "ankara.db"
    where = (Path, step) if step in {"rename", "chmod"} else (set_aside, step)
    work = getattr(*where)

    def dies(*arguments, **named):
        if is_done:
            work(*arguments, **named)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(*where, dies)
        with pytest.raises(Crash):
            set_aside_file(path, CONSORTIUM)
    if path.exists():
        set_aside_file(path, CONSORTIUM)
    (kept,) = tmp_path.glob("ankara_kept_c0c0c0c0.db")
    assert not path.exists()
    assert not Path(f"{path}-wal").exists()  # a stale log must never meet the next ledger of this name
    assert verify([kept]).ok
    fresh = SqliteStore(path, owner="ankara")
    assert fresh.height() == 0
    fresh.close()


def test_a_second_one_of_the_same_chain_gets_another_name(tmp_path):
    path = tmp_path / "ledger.sqlite"
    kept = []
    for _ in range(3):
        SqliteStore(path, owner="ankara").close()
        kept.append(set_aside_file(path, CONSORTIUM).name)
    assert kept == [f"ledger_kept_c0c0c0c0{end}.sqlite" for end in ("", "_2", "_3")]


def test_in_postgres_the_schema_is_renamed_and_kept(postgres):
    psycopg = pytest.importorskip("psycopg")
    from privacy_accounting.ledger.storage.postgres import PostgresStore

    for place in range(2):
        store = PostgresStore(postgres, owner="ankara", schema="put_aside")
        assert store.put_aside(CONSORTIUM) == "put_aside_kept_c0c0c0c0" + ("_2" if place else "")
    kept = PostgresStore.read_only(postgres, schema="put_aside_kept_c0c0c0c0")
    assert (kept.owner, kept.height(), kept.guards_missing()) == ("ankara", 0, [])
    kept.close()
    with pytest.raises(LedgerRefusedError, match="no schema put_aside yet"):
        PostgresStore.read_only(postgres, schema="put_aside")
    with psycopg.connect(postgres, autocommit=True) as connection:
        for schema in ("put_aside_kept_c0c0c0c0", "put_aside_kept_c0c0c0c0_2"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
