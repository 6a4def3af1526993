"""``crossward train``: the model file, and the report of an interrupted run."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from federation.cli import train as command
from federation.errors import SiteUnavailableError
from privacy_accounting.errors import BudgetExceededError
from tests.cli.conftest import crossward

sys.path.insert(0, str(Path(__file__).parents[1] / "federation"))
from hospitals import BUDGET, in_threads

TASK = 'table = "patients"\nfeatures = ["age", "sex"]\ntarget = "disease"\n'


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "4"}) as opened:
        yield opened


@pytest.fixture
def ran(session, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "open_session", lambda *_: nullcontext(session))
    (tmp_path / "consortium.toml").touch()

    def run(text, *arguments, target="disease"):
        task = tmp_path / "task.toml"
        task.write_text(TASK.replace("disease", target) + text)
        return crossward("train", task, "-c", tmp_path / "consortium.toml", *arguments)

    return run


def spent(session):
    return [row["spent"] for row in session.budget_rows()]


def test_cli_train_into_a_missing_folder_is_refused_before_anything_is_charged(ran, session, tmp_path):
    """The fault: the whole run was charged, and its model was written nowhere."""
    before = spent(session)
    for out in (tmp_path / "none" / "model.json", tmp_path):
        told = ran("epsilon = 0.1\nrounds = 2\n", "--out", out)
        assert told.code == 2
        assert str(out) in told.err
    assert spent(session) == before


def test_cli_train_writes_the_model_and_no_other_file(ran, tmp_path):
    out = tmp_path / "model.json"
    out.write_text("an earlier one")
    told = ran("epsilon = 0.1\nrounds = 2\n", "--out", out, "--json")
    assert told.code == 0, told.err
    assert json.loads(out.read_text())["classes"] == [False, True]
    assert json.loads(told.out)["rounds"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"consortium.toml", "task.toml", "model.json"}


def test_cli_train_a_linear_regression(ran, tmp_path):
    out = tmp_path / "model.json"
    told = ran(
        'epsilon = 0.1\nrounds = 2\nmodel = "linear_regression"\n', "--out", out, "--json", target="thalach"
    )
    assert told.code == 0, told.err
    assert list(json.loads(told.out)["coef"]) == ["age", "sex=M"]
    assert json.loads(out.read_text())["format"] == "crossward/linear-regression/1"


def test_cli_train_with_fedavg(ran):
    fields = 'epsilon = 0.1\nrounds = 2\nstrategy = "fedavg"\nlocal_epochs = 2\n'
    dry = ran(fields, "--dry-run")
    assert "step: each site takes 2 steps of its own from the model, each with its own full noise" in dry.out
    told = ran(fields, "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["charged_attempts"] == 2
    refused = ran(fields + "momentum = 0.5\n")
    assert refused.code == 1
    assert "momentum: fedavg has none" in refused.err


def test_cli_evaluate_a_model_from_its_file(ran, session, monkeypatch, tmp_path):
    from federation.cli import evaluate

    monkeypatch.setattr(evaluate, "open_session", lambda *_: nullcontext(session))
    out = tmp_path / "model.json"
    assert ran("epsilon = 0.1\nrounds = 2\n", "--out", out).code == 0

    def asked(*arguments, model=out, epsilon="0.2"):
        named = ["-c", tmp_path, "--table", "patients", "--target", "disease", "--epsilon", epsilon]
        return crossward("evaluate", model, *named, *arguments)

    told = asked("--metric", "roc_auc", "--metric", "calibration", "--json")
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert set(found["metrics"]) == {"roc_auc", "calibration"}
    assert len(found["counts"][0]) == 20
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text("utf-8")
    section = page.split("## evaluate\n")[1].split("\n## ")[0]
    assert all(f"| `{name}` |" in section for name in found)
    words = asked()
    assert "accuracy: " in words.out
    assert "epsilon: 0.2" in words.out
    before = spent(session)
    assert "metrics: must be some of" in asked("--metric", "f1").err
    assert "--epsilon must be above 0" in asked(epsilon="0").err
    assert "cannot read none.json" in asked(model=tmp_path / "none.json").err
    for text in ("[]", "no", '{"format": "crossward/other/1"}'):
        (tmp_path / "bad.json").write_text(text)
        assert "bad.json is not a saved model" in asked(model=tmp_path / "bad.json").err
    assert spent(session) == before


def test_cli_evaluate_a_model_of_a_number(ran, session, monkeypatch, tmp_path):
    from federation.cli import evaluate

    monkeypatch.setattr(evaluate, "open_session", lambda *_: nullcontext(session))
    out = tmp_path / "model.json"
    told = ran('model = "linear_regression"\nepsilon = 0.1\nrounds = 2\n', "--out", out, target="thalach")
    assert told.code == 0, told.err
    named = ["-c", tmp_path, "--table", "patients", "--target", "thalach", "--epsilon", "0.2"]
    words = crossward("evaluate", out, *named)
    assert words.code == 0, words.err
    assert "rmse: " in words.out
    told = crossward("evaluate", out, *named, "--metric", "calibration", "--json")
    assert [set(row) for row in json.loads(told.out)["metrics"]["calibration"]] == [
        {"predicted", "bias", "rows"}
    ] * 5
    assert len(json.loads(told.out)["counts"]) == 14
    assert "bias" in crossward("evaluate", out, *named, "--metric", "calibration").out
    assert "metrics: must be some of rmse" in crossward("evaluate", out, *named, "--metric", "accuracy").err


def test_cli_an_unaffordable_training_is_refused_before_its_first_round(ran, session):
    """The fault: ten of twenty rounds were run, the budget was gone, and the exit code was 0."""
    before, text = spent(session), "epsilon = 30\nrounds = 20\n"
    told = ran(text)
    assert told.code == 3
    assert "all 20 rounds of this run, of which " in told.err
    assert "still fits; nothing was spent" in told.err
    dry = ran(text, "--dry-run")
    assert dry.code == 0
    assert "fits: no: of 20 rounds " in dry.out
    assert spent(session) == before
    largest = dry.out.split("largest epsilon that fits: ")[1].splitlines()[0]
    again = ran(f"epsilon = {largest}\nrounds = 20\n", "--dry-run")
    assert "fits: yes: the budget pays for all rounds" in again.out
    assert spent(session) == before


def test_cli_a_dry_run_states_the_divisor_of_sums(ran):
    plain = ran("epsilon = 0.1\n", "--dry-run")
    assert "step: each opened sum is divided by the root of the squared norms of all sums so far" in plain.out
    named = ran("epsilon = 0.1\nexpected_units = 700\n", "--dry-run")
    assert "step: each opened sum is divided by 700, the task's expected_units" in named.out
    lossy = ran("epsilon = 0.1\nreport_loss = true\n", "--dry-run")
    assert "warning: losses are divided by 4000, rows_max times the sites" in lossy.out
    exact = ran("exact = true\n", "--dry-run")
    assert "notice: no noise is added: training rows may be reconstructed" in exact.out
    assert "fits: no epsilon is spent" in exact.out


def test_cli_an_interrupted_training_saves_its_model_and_exits_as_refused(
    ran, session, monkeypatch, tmp_path
):
    training = type(session._training(command_task(tmp_path)))
    charge, n_charged = training._charge, []

    def short(self, planned):
        n_charged.append(planned)
        if len(n_charged) > 2:
            raise BudgetExceededError(
                requested=1, spent=1, remaining=0, population="p", sub_budget="training"
            )
        return charge(self, planned)

    monkeypatch.setattr(training, "_charge", short)
    told = ran("epsilon = 0.1\nrounds = 4\n", "--out", tmp_path / "m.json")
    assert told.code == 3
    assert "cut short: the budget is used up; 2 of 4 rounds are in the model, epsilon 0.0" in told.err
    assert len(json.loads((tmp_path / "m.json").read_text())["history"]) == 2


def command_task(folder):
    from federation.training.task import load_task

    path = folder / "one.toml"
    path.write_text(TASK + "epsilon = 0.1\n")
    return load_task(path)


@pytest.mark.parametrize("n_before", [0, 2])
def test_cli_ctrl_c_reports_the_charge_and_saves_the_model_so_far(
    ran, session, monkeypatch, tmp_path, n_before
):
    training = type(session._training(command_task(tmp_path)))
    charge, n_charged = training._charge, []

    def stopped(self, planned):
        n_charged.append(planned)
        if len(n_charged) > n_before:
            raise KeyboardInterrupt
        return charge(self, planned)

    monkeypatch.setattr(training, "_charge", stopped)
    told = ran("epsilon = 0.1\nrounds = 4\n", "--out", tmp_path / "m.json")
    assert "the ledger shows whether" in told.err
    if n_before:
        assert told.code == 3
        assert "it was stopped on the way (Ctrl-C" in told.err
        assert (tmp_path / "m.json").is_file()
    else:
        assert told.code == 130
        assert "stopped; 0 attempts were charged" in told.err
        assert not (tmp_path / "m.json").exists()


def test_cli_reports_nothing_spent_only_if_nothing_was_charged(ran, session, monkeypatch):
    monkeypatch.setattr(type(session), "train", lambda *_, **__: failing("1 attempts were charged"))
    told = ran("epsilon = 0.1\n")
    assert "1 attempts were charged" in told.err
    assert "nothing was spent" not in told.err
    monkeypatch.setattr(type(session), "train", lambda *_, **__: failing(None))
    assert "nothing was spent" in ran("epsilon = 0.1\n").err


def failing(note):
    error = SiteUnavailableError(site="keyholder")
    if note:
        error.add_note(note)
    raise error


# ---- an interrupted training goes on

SHORT = "epsilon = 0.1\nrounds = 4\n"


def training_spent(session):
    return next(
        float(row["fraction_spent"])
        for row in session.budget_rows()
        if row["sub_budget"] == "training" and not row["purpose"] and not row["analyst"]
    )


def test_cli_train_goes_on_after_ctrl_c_and_charges_no_round_twice(ran, session, tmp_path, monkeypatch):
    before, file, tell = training_spent(session), tmp_path / "run.json", command._tell
    whole = ran(SHORT)
    price = training_spent(session) - before

    def stop(progress):
        tell(progress)
        if progress.round_number == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_tell", stop)
    told = ran(SHORT, "--checkpoint", file)
    assert told.code == 3
    assert f"--resume {file}" in told.err
    half = training_spent(session)
    assert half - before - price == pytest.approx(price / 2, rel=1e-3)
    monkeypatch.setattr(command, "_tell", tell)
    again = ran(SHORT, "--checkpoint", file)
    assert again.code == 1
    assert "resume the training" in again.err
    told = ran(SHORT, "--resume", file)
    assert told.code == 0, told.err
    assert "rounds: 4" in told.out
    assert "rounds: 4" in whole.out
    assert training_spent(session) == pytest.approx(before + 2 * price, rel=1e-3)


def test_cli_train_an_entry_that_did_not_arrive_is_not_charged_again(ran, session, tmp_path, monkeypatch):
    """The analyst's program ends after the sequencer entered the charge of the second round, before it heard so."""
    from federation.training.running.training_run import Training

    file, before, charge, calls = tmp_path / "run.json", training_spent(session), Training._charged, []

    def lose(self, message):
        entry = charge(self, message)
        calls.append(message)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return entry

    monkeypatch.setattr(Training, "_charged", lose)
    assert ran(SHORT, "--checkpoint", file).code == 3
    monkeypatch.setattr(Training, "_charged", charge)
    half = training_spent(session)
    told = ran(SHORT, "--resume", file)
    assert told.code == 0, told.err
    assert training_spent(session) - half == pytest.approx(half - before, rel=1e-3)


def test_cli_train_refuses_a_checkpoint_of_another_task(ran, session, tmp_path):
    file = tmp_path / "run.json"
    assert ran(SHORT, "--checkpoint", file).code == 0
    before = spent(session)
    for text, arguments, says, code in (
        ("epsilon = 0.2\nrounds = 4\n", ("--resume", file), "another task", 1),
        (SHORT, ("--resume", tmp_path / "none.json"), "cannot read", 1),
        (SHORT, ("--resume", file, "--checkpoint", file), "leave --checkpoint out", 2),
    ):
        told = ran(text, *arguments)
        assert told.code == code
        assert says in told.err.replace("\n", " ")
    file.write_text(file.read_text().replace('"used":[0', '"used":[1'))
    told = ran(SHORT, "--resume", file)
    assert told.code == 1
    assert "edited" in told.err
    assert spent(session) == before


def test_cli_train_waits_for_a_requirement_on_the_data(ran, session):
    rounds = [row for row in session.budget_rows() if row["sub_budget"] == "training"]
    told = ran(
        "epsilon = 0.1\nrounds = 1\n", "--require", "completeness(chol) >= 0.999", "--require-epsilon", "0.5"
    )
    assert told.code == 3
    assert "is not met" in told.err
    assert [row for row in session.budget_rows() if row["sub_budget"] == "training"] == rounds
    met = ran(
        "epsilon = 0.1\nrounds = 1\n",
        "--require",
        "completeness(age) >= 0.5",
        "--require-epsilon",
        "0.5",
        "--json",
    )
    assert met.code == 0, met.err
    assert json.loads(met.out)["rounds"] == 1
