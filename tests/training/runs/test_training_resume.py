"""An interrupted run goes on: what was charged is not charged again, and the model is the one without an interruption."""

import json
import threading
from base64 import b64decode, b64encode
from types import SimpleNamespace

import pytest
from training_world import ANALYST, key_of, task_of

from federation.aggregation.manifest import Attempt
from federation.aggregation.opened_sums import OpenedSum, OpenedSums
from federation.client import checkpoint_file
from federation.errors import ConfigError, SiteUnavailableError, UpdateRejectedError
from federation.protocol.request import Request
from federation.training.running.checkpoint import Checkpoint
from federation.training.running.coordinator import opened_sum
from federation.training.running.run_state import Ending, RunState

MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 5, "expected_units": 200}
EXACT = MADE | {"epsilon": None, "exact": True, "expected_units": None}


def identity(name=ANALYST):
    key = key_of(name)
    return SimpleNamespace(name=name, signing_key=key, sign=key.sign)


class EndedError(Exception):
    """The analyst's program ended."""


class Run:
    """A run of an analyst whose program ends at a chosen checkpoint, and goes on from the bytes that it wrote."""

    def __init__(self, world, task):
        self.world, self.task = world, task
        self.request = world.request(task)
        self.data = None

    def keep(self, at):
        """A hook that writes the checkpoint and ends the program after the ``at``-th one."""
        count = 0

        def write(state):
            nonlocal count
            found = Checkpoint(
                request=self.request,
                request_signature=b"s" * 64,
                entries=tuple(state.entries),
                used=state.used_attempts,
            )
            self.data = found.to_bytes(identity())
            count += 1
            if count == at:
                raise EndedError

        return write

    def begin(self, at=None):
        return self.world.driver(self.task, on_checkpoint=self.keep(at)).go()

    def go_on(self, at=None, **hooks):
        found = Checkpoint.from_bytes(self.data, identity())
        plan, world = self.world.plan(self.task), self.world
        state = RunState(plan, Request.from_bytes(found.request).digest(), world.sites)

        def sum_of(planned):
            return opened_sum(world.network, world.helpers, planned, plan, 0.0)

        state.replay(found.charged(), found.used, sum_of)
        return world.driver(self.task, run=state, on_checkpoint=self.keep(at), **hooks).go()


def end_at(run, at):
    with pytest.raises(EndedError):
        run.begin(at)


@pytest.mark.parametrize("at", range(1, 11))
def test_a_run_that_ends_anywhere_goes_on_and_charges_each_round_once(made, at):
    """Odd checkpoints: an attempt is charged, not opened. Even ones: a round was opened."""
    run = Run(made, task_of(**MADE))
    end_at(run, at)
    outcome = run.go_on()
    assert outcome.ending is Ending.ROUNDS
    assert (outcome.n_charged, len(outcome.history)) == (5, 5)
    assert len(made.charged) == 5
    assert outcome.epsilon == pytest.approx(2, abs=2e-3)
    states = [made.trainers[site]._following.model for site in made.sites]
    assert len({state.parameters for state in states}) == 1


def test_the_model_is_that_of_the_sums_that_were_opened(made):
    run = Run(made, task_of(**MADE))
    end_at(run, 6)
    outcome = run.go_on()
    state = outcome.plan.start()
    for step, data in zip(
        outcome.history, Checkpoint.from_bytes(run.data, identity()).charged(), strict=True
    ):
        planned = outcome.plan.attempt(
            run=Request.from_bytes(run.request).digest(),
            round_number=step.round_number,
            attempt=data[0].attempt,
            cohort=step.cohort,
        )
        total = opened_sum(made.network, made.helpers, planned, outcome.plan, 0.0)
        state = outcome.plan.next(state, total)
    assert state == outcome.model


@pytest.mark.parametrize("at", [3, 4])
def test_a_key_holder_that_restarts_goes_on(made, at):
    run = Run(made, task_of(**MADE))
    end_at(run, at)
    made.restart_key_holder()
    outcome = run.go_on()
    assert (outcome.ending, outcome.n_charged, len(made.charged)) == (Ending.ROUNDS, 5, 5)


@pytest.mark.parametrize("at", [3, 4])
def test_an_aggregator_that_restarts_goes_on(made, at):
    run = Run(made, task_of(**MADE))
    end_at(run, at)
    made.restart_aggregator()
    outcome = run.go_on()
    assert (outcome.ending, outcome.n_charged, len(made.charged)) == (Ending.ROUNDS, 5, 5)


@pytest.mark.parametrize("at", [3, 4])
def test_a_site_that_restarts_follows_the_model_again(made, at):
    """Whether the attempt under way was computed or not: at most that one attempt is lost, and its charge stays spent."""
    run = Run(made, task_of(**MADE))
    end_at(run, at)
    made.restart_site("west")
    outcome = run.go_on()
    assert (outcome.ending, outcome.n_charged, len(made.charged)) == (Ending.ROUNDS, 5, 5)
    assert len(outcome.history) == 5
    assert all(len(step.cohort) == 4 for step in outcome.history)


def test_an_attempt_that_a_site_started_before_it_restarted_is_lost_and_stays_charged(made, monkeypatch):
    run = Run(made, task_of(**MADE))
    forward = type(made.aggregator)._forward
    monkeypatch.setattr(made.aggregator, "_forward", lambda *_: (_ for _ in ()).throw(EndedError()))
    with pytest.raises(Exception):  # noqa: B017 - the aggregator ends before it has sent the sum of the first attempt
        run.begin()
    monkeypatch.setattr(type(made.aggregator), "_forward", forward)
    made.restart_aggregator()
    made.restart_site("west")
    outcome = run.go_on()
    assert (outcome.n_charged, len(outcome.history), len(made.charged)) == (5, 4, 5)
    assert [step.attempt for step in outcome.history] == [1, 0, 0, 0]
    assert all(len(step.cohort) == 4 for step in outcome.history)


def test_a_run_goes_on_several_times(made):
    run = Run(made, task_of(**MADE))
    end_at(run, 1)
    for _ in range(4):
        with pytest.raises(EndedError):
            run.go_on(2)
    outcome = run.go_on()
    assert (outcome.ending, outcome.n_charged, len(made.charged)) == (Ending.ROUNDS, 5, 5)


def test_a_finished_run_gives_its_model_again_and_charges_nothing(made):
    run = Run(made, task_of(**MADE))
    first = run.begin()
    second = run.go_on()
    assert second.model == first.model
    assert second.entries == first.entries
    assert len(made.charged) == 5


def test_sums_that_the_key_holder_no_longer_has_end_the_run_before_a_charge(made):
    run = Run(made, task_of(**MADE))
    end_at(run, 6)
    made.opened._connection.execute("DELETE FROM sums")
    with pytest.raises(SiteUnavailableError) as caught:
        run.go_on()
    assert caught.value.site == "keyholder"
    assert len(made.charged) == 3


# ---- without noise


def test_p16_a_run_without_noise_goes_on_with_all_sites(made):
    run = Run(made, task_of(**EXACT))
    end_at(run, 5)
    outcome = run.go_on()
    assert (outcome.ending, len(made.charged)) == (Ending.ROUNDS, 5)


def test_p16_an_attempt_without_noise_that_a_site_started_before_is_never_repeated(made, monkeypatch):
    run = Run(made, task_of(**EXACT))
    monkeypatch.setattr(made.aggregator, "_forward", lambda *_: (_ for _ in ()).throw(EndedError()))
    with pytest.raises(Exception):  # noqa: B017 - as above
        run.begin()
    made.restart_aggregator()
    made.restart_site("west")
    with pytest.raises(Exception, match=r"one attempt|started before"):
        run.go_on()
    assert len(made.charged) == 1


# ---- a lost site comes back


def test_a_lost_site_is_in_the_cohort_of_a_later_round(made):
    lost, cohorts = [], []

    def progress(now):
        cohorts.append(now.cohort)
        lost.extend(now.lost)
        if now.round_number == 1 and not lost:
            made.exchange.forget("west")
        if lost and "west" not in made.exchange._roles:
            made.restart_site("west")

    outcome = made.driver(
        task_of(**(MADE | {"rounds": 6})),
        on_progress=progress,
        returned=lambda cohort: [site for site in made.sites if site not in cohort],
    ).go()
    assert lost == ["west"]
    assert (outcome.n_charged, len(outcome.history)) == (6, 5)
    assert [len(step.cohort) for step in outcome.history] == [4, 3, 4, 4, 4]
    assert made.trainers["west"]._following.model.n_steps == 4


# ---- what is no checkpoint of this run


@pytest.fixture
def written(made):
    run = Run(made, task_of(**MADE))
    end_at(run, 4)
    return run


def _edited(data, **changes):
    return json.dumps(json.loads(data) | changes, sort_keys=True, separators=(",", ":")).encode()


def test_an_edited_checkpoint_is_refused(written):
    fields = json.loads(written.data)
    first = b64decode(fields["entries"][0])
    for changes in (
        {"used": [0]},
        {"used": [0, 1]},
        {"entries": fields["entries"][:1]},
        {"entries": [b64encode(first + b" ").decode(), *fields["entries"][1:]]},
        {"request": b64encode(b64decode(fields["request"]) + b" ").decode()},
    ):
        with pytest.raises(ConfigError, match="edited"):
            Checkpoint.from_bytes(_edited(written.data, **changes), identity())


def test_another_analysts_checkpoint_is_refused(written):
    with pytest.raises(ConfigError, match="another analyst than bob"):
        Checkpoint.from_bytes(written.data, identity("bob"))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", b"null", b'{"format":"crossward/checkpoint/2"}', b"[" * 100_000],
    ids=lambda data: data[:12].decode("latin-1") or "empty",
)
def test_other_bytes_are_no_checkpoint(data):
    with pytest.raises(ConfigError, match="not a checkpoint"):
        Checkpoint.from_bytes(data, identity())


def test_entries_that_are_not_in_order_are_refused(made, written):
    found = Checkpoint.from_bytes(written.data, identity())
    state = RunState(made.plan(written.task), Request.from_bytes(found.request).digest(), made.sites)
    with pytest.raises(UpdateRejectedError, match="one run"):
        state.replay(list(reversed(found.charged())), found.used, lambda _: [0] * state.plan.length)


def test_the_file_of_a_checkpoint_is_whole_and_never_written_over(tmp_path):
    path = checkpoint_file.new_checkpoint(str(tmp_path / "run.json"))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="empty"):
        checkpoint_file.read(path)
    checkpoint_file.write(path, b"one")
    checkpoint_file.write(path, b"two")
    assert checkpoint_file.read(path) == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]
    with pytest.raises(ConfigError, match="resume the training"):
        checkpoint_file.new_checkpoint(path)
    for bad in (tmp_path, tmp_path / "none" / "x"):
        with pytest.raises(ConfigError):
            checkpoint_file.new_checkpoint(bad)
        with pytest.raises(ConfigError):
            checkpoint_file.read(bad)


def test_the_store_of_opened_sums_may_be_closed_while_others_ask(tmp_path):
    """The fault: the process of the key holder ended in SQLite when it stopped while a site waited for a sum."""
    store = OpenedSums(tmp_path / "sums.sqlite")
    store.keep(
        Attempt(run="r", round_number=0, attempt=0),
        OpenedSum(manifest="m", sent=b"s", receivers=frozenset("a"), values=bytes(8000)),
    )
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            store.find("r", 0, 0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.close()
    assert store.find("r", 0, 0) is None
    stop.set()
    for thread in threads:
        thread.join(10)
