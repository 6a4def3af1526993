"""Whole runs that add up by shares: the integers of Paillier, no helper, and the same end where a site is lost."""

import threading

import pytest
from training_world import task_of

from federation.errors import CiphertextInvalidError, ConfigError, SiteUnavailableError
from federation.training.estimators import FederatedLogisticRegression
from federation.training.rounds.entry_check import terms_of
from federation.training.rounds.round_plan import plan_run
from federation.training.running.coordinator import opened_sum
from federation.training.running.run_state import Ending
from federation.training.task import load_task
from tests.training.runs.test_training_resume import Run, end_at

MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 5, "expected_units": 200}
EXACT = MADE | {"epsilon": None, "exact": True, "expected_units": None}
SHARES = {"aggregation": "shares"}


@pytest.fixture
def alone(made):
    """The same sites without any helper on the network."""
    made.exchange.forget("aggregator")
    made.exchange.forget("keyholder")
    return made


def test_the_opened_sums_are_the_integers_that_paillier_opens(made):
    """Without noise the same run gives the same model, number by number."""
    paillier, shares = made.train(task_of(**EXACT)), made.train(task_of(**EXACT, **SHARES))
    assert shares.model == paillier.model
    assert [step.loss for step in shares.history] == [step.loss for step in paillier.history]
    assert shares.ending is Ending.ROUNDS


def test_no_helper_is_needed_and_every_round_is_charged(alone):
    outcome = alone.train(task_of(**MADE, **SHARES))
    assert (outcome.ending, outcome.n_charged, len(alone.charged)) == (Ending.ROUNDS, 5, 5)
    assert outcome.epsilon == pytest.approx(2, abs=2e-3)
    states = [alone.trainers[site]._following.model for site in alone.sites]
    assert len({state.parameters for state in states}) == 1
    # two rounds of 8 bytes a number and a key of 32 bytes to each of three sites
    assert outcome.bytes_sent == 5 * 4 * 3 * (8 * (outcome.plan.length + 1) + 32)


def test_a_lost_site_costs_its_attempt_and_the_others_go_on(alone):
    told = []

    def lose(progress):
        told.append(progress)
        if progress.round_number == 2 and not progress.lost:
            alone.exchange.forget("west")

    outcome = alone.train(task_of(**MADE, **SHARES), on_progress=lose)
    assert [p.lost for p in told if p.lost] == [("west",)]
    assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.ROUNDS, 5, 4)
    assert outcome.history[-1].cohort == ("east", "north", "south")


def test_p16_without_noise_a_lost_site_ends_the_run_with_the_model_so_far(alone):
    def lose(progress):
        if progress.round_number == 2:
            alone.exchange.forget("west")

    outcome = alone.train(task_of(**EXACT, **SHARES), on_progress=lose)
    assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.SITES, 3, 2)


def test_a_site_that_breaks_the_counter_ends_the_run_and_nothing_is_opened(alone, monkeypatch):
    from federation.aggregation import shared_sum

    real, calls = shared_sum.open_total, []

    def cheating(session, slots):
        calls.append(1)
        is_cheat = session.names[session.rank] == "west" and len(calls) > 8
        return real(session, slots + is_cheat)

    monkeypatch.setattr(shared_sum, "open_total", cheating)
    outcome = alone.train(task_of(**MADE, **SHARES))
    assert (outcome.ending, len(outcome.history), outcome.n_charged) == (Ending.FAILED, 2, 3)
    assert str(CiphertextInvalidError(reason="x")).split(":")[0] in outcome.failure


@pytest.mark.parametrize("at", [1, 4, 5])
def test_a_run_that_was_interrupted_goes_on(alone, at):
    run = Run(alone, task_of(**MADE, **SHARES))
    end_at(run, at)
    outcome = run.go_on()
    assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.ROUNDS, 5, 5)
    assert len(alone.charged) == 5


def test_a_site_that_restarts_gets_the_sums_before_from_its_own_file_or_from_the_others(alone):
    def restart(progress):
        if progress.round_number == 2:
            alone.trainers["east"].close()
            alone.restart_site("east")
        if progress.round_number == 3:
            alone.trainers["west"].close()
            (alone.folder / "west.sqlite").unlink()
            alone.restart_site("west")

    driver = alone.driver(task_of(**MADE, **SHARES), on_progress=restart)
    # a channel to the site before its restart is dead: a new one is dialled for each attempt
    real = driver._gather
    driver._gather = lambda start, planned: (driver._channels.clear(), real(start, planned))[1]
    outcome = driver.go()
    assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.ROUNDS, 5, 5)
    states = [alone.trainers[site]._following.model for site in alone.sites]
    assert len({state.parameters for state in states}) == 1


def test_the_same_attempt_is_never_computed_twice(alone):
    """P14: a second start is answered from what is known; the noise is drawn once."""
    hand = alone.attempt(task_of(**MADE, **SHARES))
    from federation.protocol.training_messages import Start

    start = Start(request=hand.request, entry=hand.entry, used_attempts=[])

    def all_start():
        answers, threads = {}, []
        for site in alone.sites:
            threads.append(
                threading.Thread(
                    target=lambda s=site: answers.update(
                        {s: alone.trainers[s].take_part(start, sender="ada").bytes_sent}
                    )
                )
            )
            threads[-1].start()
        for thread in threads:
            thread.join()
        return answers

    first = all_start()
    plan = alone.plan(task_of(**MADE, **SHARES))
    total = opened_sum(alone.network, alone.helpers, hand.planned, plan, 0.0)
    assert all_start() == first
    assert opened_sum(alone.network, alone.helpers, hand.planned, plan, 0.0) == total
    assert all(len(noted) == 1 for noted in alone.noted.values())


def test_the_way_of_adding_up_stands_in_request_and_plan(made):
    shares, paillier = task_of(**MADE, **SHARES), task_of(**MADE)
    assert "aggregation" not in paillier.question()
    assert shares.question()["aggregation"] == "shares"
    assert made.plan(shares).digest() != made.plan(paillier).digest()
    shown = made.plan(shares).to_dict()
    assert shown["ciphertexts_per_update"] == 0
    assert shown["bytes_per_update"] == 8 * (made.plan(shares).length + 1) * 3
    assert (
        made.plan(shares).attempt(run="r", round_number=0, attempt=0, cohort=made.sites).sigma2_local
        == made.plan(paillier).attempt(run="r", round_number=0, attempt=0, cohort=made.sites).sigma2_local
    )


@pytest.mark.parametrize("bad", ["share", "", None, 1, "PAILLIER"])
def test_another_way_is_refused_by_name(bad):
    with pytest.raises(ConfigError, match="aggregation"):
        task_of(**MADE, aggregation=bad)


def test_without_a_key_holder_only_shares_are_planned(made):
    schema, terms = made.consortium.schema, terms_of(made.consortium, "patients", None)
    with pytest.raises(ConfigError, match="no key holder"):
        plan_run(task_of(**MADE), schema, terms)
    with_key = made.plan(task_of(**MADE, **SHARES))
    assert plan_run(task_of(**MADE, **SHARES), schema, terms).digest() == with_key.digest()


def test_a_class_with_scikit_learns_habits_names_the_way_of_adding_up(alone, tmp_path):
    columns = {"table": "patients", "features": ["x", "b"], "target": "y"}
    model = FederatedLogisticRegression(epsilon=2, rounds=2, aggregation="shares").fit(alone, **columns)
    assert model.task(**columns).question()["aggregation"] == "shares"
    model.save(tmp_path / "model.json")
    loaded = FederatedLogisticRegression.load(tmp_path / "model.json")
    assert loaded.aggregation == model.get_params()["aggregation"] == "shares"
    # a file of the usual way keeps the bytes that it had before there was another one
    model.set_params(aggregation="paillier").save(tmp_path / "other.json")
    assert "aggregation" not in (tmp_path / "other.json").read_text()
    assert FederatedLogisticRegression.load(tmp_path / "other.json").aggregation == "paillier"
    with pytest.raises(ConfigError, match="aggregation"):
        FederatedLogisticRegression(aggregation="sums").task(**columns)


def test_a_site_that_all_others_lost_is_an_error_with_its_name(alone):
    for name in ("north", "south", "west"):
        alone.exchange.forget(name)
    with pytest.raises(SiteUnavailableError):
        alone.train(task_of(**MADE, **SHARES))


def test_a_task_file_names_the_way_of_adding_up(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(
        'table = "patients"\nfeatures = ["x"]\ntarget = "y"\nexact = true\naggregation = "shares"\n'
    )
    assert load_task(path).aggregation == "shares"
