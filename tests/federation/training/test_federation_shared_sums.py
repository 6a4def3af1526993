"""Trainings that the sites add up among themselves: in threads, and over processes without any helper."""

import signal

import pytest
from hospitals import NAMES, in_processes, in_threads

from federation.errors import ConfigError
from federation.training.running.run_state import Ending
from federation.training.task import TrainingTask
from privacy_accounting.audit.verify import verify

TASK = {
    "table": "patients",
    "features": ["age", "sex", "cp", "thalach"],
    "target": "disease",
    "epsilon": 2,
    "rounds": 3,
}
VICTIM = "switzerland"


def test_shares_train_beside_the_helpers_too():
    with in_threads() as session:
        outcome = session.train(TrainingTask(**TASK, aggregation="shares"))
        assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.ROUNDS, 3, 3)


@pytest.mark.slow
def test_without_aggregator_and_key_holder_over_processes(tmp_path):
    with in_processes(tmp_path / "here", helpers=(), deadline_s=5) as session:
        with pytest.raises(ConfigError, match="has no key holder"):
            session.train(TrainingTask(**TASK))

        def kill_once(progress):
            if progress.round_number == 1 and not progress.lost:
                session.nodes_started.kill(VICTIM, signal.SIGKILL)

        checkpoint = tmp_path / "run.checkpoint"
        task = TrainingTask(**TASK | {"rounds": 5}, aggregation="shares")
        outcome = session.train(task, on_progress=kill_once, checkpoint=checkpoint)
        assert (outcome.ending, outcome.n_charged) == (Ending.ROUNDS, 5)
        assert len(outcome.history) in {4, 5}, "the loss is seen before the charge, or costs its attempt"
        assert set(NAMES) - set(outcome.history[-1].cohort) == {VICTIM}
        again = session.resume(task, checkpoint)
        assert again.model == outcome.model
        report = verify([session.folders.ledger(name) for name in NAMES if name != VICTIM])
        assert report.ok, report.to_dict()
        kept = session.folders.site(NAMES[0]).parent / "state" / "training_sums.sqlite"
        assert kept.stat().st_mode & 0o077 == 0
