"""A model over four hospitals: charged attempts and encrypted sums, in memory and over processes."""

import signal

import duckdb
import numpy as np
import pandas as pd
import pytest
from hospitals import NAMES, POLICY, VIEW, files, in_processes, in_threads

from federation.errors import ConfigError, PolicyRefusedError
from federation.training.estimators import FederatedLogisticRegression
from federation.training.running.run_state import Ending
from federation.training.task import TrainingTask
from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import BudgetExceededError
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.sequencer import Draft

FEATURES = ["age", "sex", "cp", "trestbps", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak"]
VICTIM = "switzerland"


@pytest.fixture(scope="module", params=["threads", "processes"])
def session(request, tmp_path_factory):
    if request.param == "threads":
        with in_threads() as opened:
            yield opened
    else:
        folder = tmp_path_factory.mktemp("training") / "here"
        with in_processes(folder, helpers=("dealer", "aggregator", "keyholder"), deadline_s=5) as opened:
            yield opened


@pytest.fixture(scope="module")
def pooled():
    frames, connection = [], duckdb.connect()
    connection.execute("CREATE MACRO as_number(cell) AS CAST(cell AS DOUBLE)")
    for path in files().values():
        source = pd.read_csv(path)  # noqa: F841 - the view reads it by name
        frames.append(connection.sql(VIEW).df())
    return pd.concat(frames).dropna(subset=[*FEATURES, "disease"])


def auc(scores, truth):
    ranks, truth = pd.Series(scores).rank().to_numpy(), np.asarray(truth, dtype=bool)
    n1, n0 = truth.sum(), (~truth).sum()
    return (ranks[truth].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)


def training_row(session):
    rows = session.budget_rows()
    return next(r for r in rows if r["sub_budget"] == "training" and not r["purpose"] and not r["analyst"])


def test_a_model_is_learned_and_every_round_is_charged(session, pooled):
    before, told = training_row(session), []
    model = FederatedLogisticRegression(epsilon=2.0, rounds=12)
    model.fit(session, table="patients", features=FEATURES, target="disease", on_progress=told.append)
    assert auc(model.predict_proba(pooled)[:, 1], pooled["disease"]) > 0.75  # 0.87 when it learns for longer
    assert [step.round_number for step in told] == list(range(1, 13))
    assert told[-1].epsilon <= 2.0
    after = training_row(session)
    assert float(after["fraction_spent"]) > float(before["fraction_spent"])


def test_an_asynchronous_run_is_charged_attempt_by_attempt_for_three_sites_each(session):
    """Over real ledgers: the sites that are not in a cohort follow the chain and the opened sums."""
    fields = {"table": "patients", "features": FEATURES, "target": "disease"}
    task = TrainingTask(**fields, strategy="buffered", epsilon=0.5, rounds=4, tick_s="0.05")
    assert session.quote_training(task)["fits"]
    assert session.plan_training(task).to_dict()["sites_in_an_attempt"] == 3
    before, told = training_row(session), []
    outcome = session.train(task, on_progress=told.append)
    assert (outcome.ending, outcome.n_charged, len(outcome.history)) == (Ending.ROUNDS, 4, 4)
    assert [len(step.cohort) for step in outcome.history] == [3] * 4
    assert len({site for step in outcome.history for site in step.cohort}) == len(NAMES)
    assert told[-1].epsilon <= 0.5
    assert float(training_row(session)["fraction_spent"]) > float(before["fraction_spent"])


def test_the_budget_refuses_an_unaffordable_run_at_the_start(session):
    before = training_row(session)
    with pytest.raises(BudgetExceededError) as caught:
        FederatedLogisticRegression(epsilon=25.0, rounds=1).fit(
            session, table="patients", features=FEATURES, target="disease"
        )
    assert caught.value.sub_budget.startswith("training")
    assert training_row(session) == before


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"learning_rate": float("nan")}, {}),
        ({"epsilon": 0}, {}),
        ({"rounds": 0}, {}),
        ({}, {"target": "absent"}),
        ({}, {"features": ["shoe_size"]}),
        ({}, {"features": []}),
        ({}, {"table": "absent"}),
    ],
)
def test_bad_tasks_are_refused_before_any_site_is_asked(session, changes, fields):
    arguments = {"table": "patients", "features": FEATURES, "target": "disease"} | fields
    with pytest.raises((ConfigError, Exception)) as caught:
        FederatedLogisticRegression(**{"epsilon": 1.0, "rounds": 2} | changes).fit(session, **arguments)
    assert type(caught.value).__name__ in {"ConfigError", "InvalidRequestError", "RequestRejectedError"}


def test_training_without_noise_follows_the_policy():
    """Where a site gives no exact answers at all; ``test_federation_exact_training`` has the policy of its own."""
    with in_threads(policy={**POLICY, "exact": False}) as session, pytest.raises(PolicyRefusedError):
        FederatedLogisticRegression(epsilon=None, exact=True, rounds=2).fit(
            session, table="patients", features=FEATURES, target="disease"
        )


@pytest.mark.slow
def test_a_lost_site_costs_one_attempt_and_the_others_go_on(tmp_path):
    with in_processes(
        tmp_path / "here", helpers=("dealer", "aggregator", "keyholder"), deadline_s=5
    ) as session:

        def kill_once(progress):
            if progress.round_number == 2 and VICTIM in progress.cohort and not progress.lost:
                session.nodes_started.kill(VICTIM, signal.SIGKILL)

        model = FederatedLogisticRegression(epsilon=2.0, rounds=6)
        model.fit(session, table="patients", features=FEATURES, target="disease", on_progress=kill_once)
        cohorts = [tuple(step["cohort"]) for step in model.history_]
        assert set(NAMES) - set(cohorts[-1]) == {VICTIM}
        assert cohorts[0] == NAMES
        report = verify([session.folders.ledger(name) for name in NAMES if name != VICTIM])
        assert report.ok, report.to_dict()


@pytest.mark.parametrize("session", ["processes"], indirect=True)
def test_only_the_key_holders_folder_has_the_private_key(session):
    assert len(set(session.nodes_started.pids.values())) == 7
    root = session.folders.root
    found = [p for p in root.rglob("*") if p.is_file() and b"paillier-private" in p.read_bytes()]
    assert [p.relative_to(root).parts[:2] for p in found] == [("helpers", "keyholder")]
    assert found[0].stat().st_mode & 0o077 == 0


def test_p4_attempts_charged_together_never_exceed_the_approved_run():
    """The attack: three attempts of a run of two, asked for at once, so that they stand in one proposal."""
    with in_threads() as session:
        model = FederatedLogisticRegression(epsilon=1.0, rounds=2)
        training = session._training(model.task(table="patients", features=FEATURES, target="disease"))
        head = session.nodes[session.consortium.file.sequencer]
        drafts = []
        for round_number, attempt in ((0, 0), (0, 1), (1, 0)):
            known = head._training.admission.learn(training._ask_message)
            content = head._training.admission.content_of(
                known, round_number=round_number, attempt=attempt, cohort=sorted(NAMES)
            )
            drafts.append(Draft(cohort=tuple(sorted(NAMES)), content=content))
        found = agree(
            head.chain._sequencer,
            drafts,
            head.chain._admit,
            lambda messages: head.chain._broadcast(messages, [training._ask_message]),
        )
        assert len(found.entries) == 2
        assert "attempts of this run are used up" in str(found.refusals)
        assert head.replica.core.state.attempts_of(training._run) == 2
