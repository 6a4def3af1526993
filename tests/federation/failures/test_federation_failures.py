"""Sites killed, frozen or restarted are named in time, started runs stay spent, and the next query works.

What tests/cli/test_cli_operation.py does by commands in every run is here in ``make slow-processes``.
"""

import signal
import time

import pytest
from hospitals import BY_SEX, NAMES, at_a_distance, found, in_processes, is_at_once

import federation
from federation.client.spending import Spending
from federation.client.visit import Visit
from federation.errors import ConfigError, SiteUnavailableError
from federation.processes.launcher import Launcher
from federation.protocol.messages import Ask
from federation.protocol.request import REQUEST_TAG
from privacy_accounting.audit.verify import verify
from smpc.errors import PartyLostError

VICTIM = "switzerland"
DEADLINE_S = 4
DELAY_MS = 100


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures") / "here"
    with at_a_distance(DELAY_MS, folder, deadline_s=DEADLINE_S) as opened:
        yield opened


def run_without(session, *, number, exact):
    """The victim is hit after the charge and before its answer; how long until the client knows, and whom it names."""
    planned = session._planned(BY_SEX, None if exact else 0.01, exact=exact, purpose="test")
    ask = Ask(request=planned.data, signature=session._identity.sign(REQUEST_TAG + planned.data))
    began = None
    with pytest.raises(PartyLostError) as caught, session._pool.question(NAMES) as lines:
        visit, spending = Visit(lines, ask, sequencer="cleveland"), Spending()
        charged = visit.charged(spending, charge_s=10, answer_s=10)
        session.nodes_started.kill(VICTIM, number)
        began = time.monotonic()
        visit.shares(charged, run_s=30)
    assert "has charged" in spending.note(caught.value)
    return time.monotonic() - began, caught.value.name


def n_entries(session):
    return next(h.ledger_number for h in session.health().values() if getattr(h, "role", "") == "site")


@pytest.mark.parametrize("exact", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_killed_site_is_named_at_once_and_spends_only_its_run(world, exact):
    before = n_entries(world)
    seconds, name = run_without(world, number=signal.SIGKILL, exact=exact)
    assert name == VICTIM
    assert is_at_once(seconds, DEADLINE_S)
    world.nodes_started.restart(VICTIM)
    result = world.sql(BY_SEX, exact=True)
    assert [row[1] for row in result.rows] == [194, 726]
    assert n_entries(world) == before + 2  # the spent one and the one after


@pytest.mark.parametrize("exact", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_frozen_site_is_named_at_the_deadline(world, exact):
    try:
        seconds, name = run_without(world, number=signal.SIGSTOP, exact=exact)
    finally:
        world.nodes_started.kill(VICTIM, signal.SIGCONT)
    assert name == VICTIM
    assert DEADLINE_S - 1 < seconds < 3 * DEADLINE_S
    ends_at = time.monotonic() + 15
    while True:  # it comes back to life: its heartbeats are heard again
        try:
            assert world.sql(BY_SEX, exact=True).rows[0][1] == 194
            break
        except (PartyLostError, SiteUnavailableError):
            assert time.monotonic() < ends_at
            time.sleep(0.2)


def test_with_a_site_down_nothing_is_spent(world):
    before = n_entries(world)
    world.nodes_started.kill(VICTIM, signal.SIGKILL)
    try:
        with pytest.raises((SiteUnavailableError, PartyLostError)) as caught:
            for _ in range(2):
                world.sql(BY_SEX, epsilon=0.01)
        assert getattr(caught.value, "site", getattr(caught.value, "name", "")) == VICTIM
        assert n_entries(world) == before
    finally:
        world.nodes_started.restart(VICTIM)
    assert world.sql(BY_SEX, exact=True).rows[0][1] == 194


def test_the_chain_goes_on_after_a_restart_of_the_sequencer(world):
    world.nodes_started.kill("cleveland", signal.SIGKILL)
    with pytest.raises((SiteUnavailableError, PartyLostError)):
        world.sql(BY_SEX, exact=True)
    world.nodes_started.restart("cleveland")
    assert world.sql(BY_SEX, exact=True).rows[0][1] == 194


def test_every_ledger_is_whole_afterwards(world):
    report = verify([world.folders.ledger(name) for name in NAMES])
    assert report.ok, report.to_dict()
    assert report.forks == ()


@pytest.mark.slow
def test_nothing_is_left_of_the_nodes(tmp_path):
    with in_processes(tmp_path / "here") as session:
        pids = [*session.nodes_started.pids.values(), session.nodes_started.supervisor]
        with pytest.raises(ConfigError, match="is up already"):
            Launcher(session.folders)
    assert not [pid for pid in pids if alive(pid)]
    assert not list(session.folders.pids.glob("*.pid"))


def test_nodes_end_with_their_parent(tmp_path):
    folders = found(tmp_path / "here")
    nodes = Launcher(folders)
    try:
        nodes._process.kill()
        nodes._process.wait()
        ends_at = time.monotonic() + 10
        while any(alive(pid) for pid in nodes.pids.values()) and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in nodes.pids.values())
    finally:
        nodes.stop()


@pytest.mark.slow
def test_a_node_that_cannot_start_is_named_with_its_reason(tmp_path):
    folders = found(tmp_path / "here")
    folders.site(VICTIM).write_text(
        folders.site(VICTIM).read_text().replace("as_number(num)", "nothing_here")
    )
    with pytest.raises(ConfigError) as caught:
        Launcher(folders)
    assert VICTIM in str(caught.value)
    with (
        pytest.raises(SiteUnavailableError),
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        session.sql(BY_SEX, exact=True)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
