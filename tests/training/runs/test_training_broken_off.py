"""A run that fails or stops after a charge returns the paid model and the spend."""

import pytest
from training_world import task_of

from federation.cli.outcome import sentence
from federation.errors import CiphertextInvalidError, SiteUnavailableError
from federation.training.running.run_state import Ending
from privacy_accounting.errors import LedgerRefusedError
from smpc.errors import PartyLostError

MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 6, "expected_units": 200}


def raising(made, error, *, at):
    """Charges rounds until one whose charge ends in an error."""
    task = task_of(**MADE)
    request = made.request(task)

    def charge(planned):
        if planned.manifest.attempt.round_number == at:
            raise error
        return made.charge(task, request, planned)

    return made.driver(task, charge=charge)


@pytest.mark.parametrize("helper", ["aggregator", "keyholder"])
def test_a_helper_that_is_lost_after_charged_rounds_leaves_the_model_so_far(made, helper):
    """The fault: the terminal said that nothing was spent, and dropped the model of six charged rounds."""

    def lose(progress):
        if progress.round_number == 3:
            made.exchange.forget(helper)

    outcome = made.train(task_of(**MADE), on_progress=lose)
    assert outcome.ending is Ending.FAILED
    assert not outcome.is_whole
    assert helper in outcome.failure
    assert (outcome.model.n_steps, len(outcome.history), outcome.n_charged) == (3, 3, 4)
    assert 0 < outcome.epsilon < 2


def test_a_helper_lost_in_the_first_round_is_an_error_with_the_charge(made):
    made.exchange.forget("aggregator")
    with pytest.raises(SiteUnavailableError) as caught:
        made.train(task_of(**MADE))
    said = sentence(caught.value)
    assert "nothing was spent" not in said
    assert "1 attempts were charged, epsilon " in said
    assert "0 rounds were opened" in said


def test_a_later_refusal_of_the_key_holder_leaves_the_model_so_far(made):
    cipher = made.trainers["west"]._cipher
    honest = cipher._encryptor

    class Cheat:
        key, calls, pool = made.public, 0, honest.pool

        def encrypt(self, plaintexts):
            self.calls += 1
            return honest.encrypt([plaintext + (self.calls > 2) for plaintext in plaintexts])

    cipher._encryptor = Cheat()
    outcome = made.train(task_of(**MADE))
    assert (outcome.ending, outcome.model.n_steps, outcome.n_charged) == (Ending.FAILED, 2, 3)
    assert str(CiphertextInvalidError(reason="x")).split(":")[0] in outcome.failure


def test_ctrl_c_keeps_the_model_that_was_paid_for(made):
    def stop(progress):
        if progress.round_number == 2:
            raise KeyboardInterrupt

    outcome = made.train(task_of(**MADE), on_progress=stop)
    assert (outcome.ending, outcome.failure) == (Ending.STOPPED, "Ctrl-C")
    assert (outcome.model.n_steps, outcome.n_charged) == (2, 2)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), PartyLostError(name="keyholder")], ids=repr)
def test_an_interrupted_charge_leaves_its_attempt_in_doubt(made, error):
    outcome = raising(made, error, at=2).go()
    assert (outcome.model.n_steps, outcome.n_charged) == (2, 2)
    assert "the ledger shows whether the attempt under way was charged" in outcome.failure
    with pytest.raises(type(error)) as caught:
        raising(made, type(error)(*error.args) if not error.args else error, at=0).go()
    assert "0 attempts were charged" in caught.value.__notes__[-1]
    assert "the ledger shows whether" in caught.value.__notes__[-1]


def test_a_charge_that_was_refused_is_in_no_doubt(made):
    with pytest.raises(LedgerRefusedError) as caught:
        raising(made, LedgerRefusedError(reason="no"), at=0).go()
    assert not hasattr(caught.value, "__notes__")
    outcome = raising(made, LedgerRefusedError(reason="no"), at=1).go()
    assert (outcome.ending, outcome.n_charged) == (Ending.FAILED, 1)
    assert "ledger" not in outcome.failure.replace("the ledger refuses", "")


def test_a_callers_own_error_carries_the_charge(made):
    def stumble(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        made.train(task_of(**MADE), on_progress=stumble)
    assert "1 attempts were charged" in caught.value.__notes__[0]
