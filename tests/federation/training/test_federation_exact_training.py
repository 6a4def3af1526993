"""Exact training: the policies that allow it, and the sites that every attempt needs (P16)."""

from contextlib import ExitStack

import pytest
from hospitals import NAMES, POLICY, in_threads

from federation.consortium.site_file import Policy
from federation.errors import ConfigError, PolicyRefusedError, RequestRejectedError
from federation.protocol.messages import AttemptRequest
from federation.training.estimators import FederatedLogisticRegression
from federation.training.task import TrainingTask
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.sequencer import Draft

FEATURES = ("age", "sex", "cp")
FOUR, THREE = tuple(sorted(NAMES)), tuple(sorted(NAMES))[:3]


def task(**changes):
    fields = {"table": "patients", "features": FEATURES, "target": "disease", "exact": True, "rounds": 1}
    return TrainingTask(**(fields | changes))


@pytest.fixture(scope="module")
def session():
    with in_threads() as opened:
        yield opened


def disclosures(session):
    return {node.replica.privacy_filter.exact_disclosures("cardiology") for node in session.nodes.values()}


def test_p16_a_second_run_with_one_site_less_is_refused_before_its_charge(session):
    """The attack: two runs at the same model, over four sites and over three, subtract to one site's own exact sum."""
    assert session.train(task()).history[0].cohort == FOUR
    before, heads = disclosures(session), {node.replica.head for node in session.nodes.values()}
    second = session._training(task()).asked()
    message = AttemptRequest(ask=second._ask_message, round_number=0, attempt=0, cohort=list(THREE))
    with pytest.raises(RequestRejectedError, match="every site"):
        second._charged(message)
    assert disclosures(session) == before
    assert {node.replica.head for node in session.nodes.values()} == heads


def test_p16_fedavg_without_noise_takes_all_sites_and_no_fewer(session):
    assert session.train(task(strategy="fedavg")).history[0].cohort == FOUR
    second = session._training(task(strategy="fedavg")).asked()
    message = AttemptRequest(ask=second._ask_message, round_number=0, attempt=0, cohort=list(THREE))
    with pytest.raises(RequestRejectedError, match="every site"):
        second._charged(message)


def test_p16_every_site_refuses_a_smaller_cohort_from_any_sequencer(session):
    """A site that orders and does not check proposes it all the same."""
    training = session._training(task()).asked()
    head = session.nodes[session.consortium.file.sequencer]
    known = head._training.admission.learn(training._ask_message)
    content = head._training.admission.content_of(known, round_number=0, attempt=0, cohort=FOUR)
    before = disclosures(session)
    for cohort, admit in ((THREE, lambda _: None), (FOUR[1:], lambda _: None), (THREE, head.chain._admit)):
        found = agree(
            head.chain._sequencer,
            [Draft(cohort=cohort, content=content)],
            admit,
            lambda messages: head.chain._broadcast(messages, [training._ask_message]),
        )
        assert len(found.entries) == 0
        assert "every site" in str(found.refusals)
    assert disclosures(session) == before


def test_p16_a_run_that_lost_a_site_before_its_charge_is_over(session):
    with pytest.raises(ConfigError, match="every site"):
        session._training(task()).plan.attempt(run="r", round_number=0, attempt=0, cohort=THREE)
    with pytest.raises(ConfigError, match="one attempt"):
        session._training(task(rounds=5)).plan.attempt(run="r", round_number=0, attempt=1, cohort=FOUR)


REFUSALS = {
    "exact does not open it": (
        {"exact_training": False},
        "policy.exact_training: this site trains with noise",
    ),
    "guards are not built": ({"exact_training": "guarded"}, '"guarded" is refused'),
    "other members": ({"exact_training_members": list(THREE)}, "must name exactly the members"),
    "no members named": ({"exact_training_members": None}, "must name exactly the members"),
    "exact is off": ({"exact": False}, "policy.exact"),
    "more rounds than disclosures": ({"exact_requests_per_analyst": 0}, "exact_requests_per_analyst"),
}


@pytest.mark.parametrize("strategy", ["sum_gradient", "fedavg"])
@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_p16_one_site_that_forbids_exact_training_refuses_it_without_charge(session, name, strategy):
    changes, says = REFUSALS[name]
    admission = session.nodes[THREE[1]]._training.admission
    opened, before = admission.policy, disclosures(session)
    with ExitStack() as stack:
        stack.callback(setattr, admission, "policy", opened)
        admission.policy = Policy.model_validate(opened.model_dump() | changes)
        with pytest.raises(PolicyRefusedError, match=says):
            session.train(task(rounds=2, strategy=strategy))
    assert disclosures(session) == before


def test_p16_a_run_longer_than_the_remaining_cap_is_refused_at_the_start():
    policy = {**POLICY, "exact_requests_per_analyst": 3}
    with in_threads(policy=policy) as session:
        with pytest.raises(PolicyRefusedError, match="3 are left, and each of 4 rounds"):
            session.train(task(rounds=4))
        assert disclosures(session) == {0}
        assert len(session.train(task(rounds=3)).history) == 3
        assert disclosures(session) == {3}


def test_p16_no_site_file_opens_it_without_saying_so():
    assert Policy().exact_training is False
    assert Policy(exact=True).exact_training is False
    assert Policy(exact_training="unguarded").exact_training_members is None


def test_p16_a_site_that_left_closes_it_until_a_new_agreement(session):
    admission = session.nodes[THREE[1]]._training.admission
    replica = admission._replica

    class Left:
        members = THREE
        book, core = replica.privacy_filter, replica.core

    try:
        admission._replica = Left()
        with pytest.raises(RequestRejectedError, match="a site has left"):
            session.train(task())
    finally:
        admission._replica = replica


@pytest.mark.parametrize(
    "chosen",
    [{"learning_rate": 1}, {"momentum": "0.5"}, {"l2": "0.1"}, {"expected_units": 1}, {"rounds": 101}],
    ids=str,
)
def test_p16_no_request_chooses_the_point_of_exact_sums(chosen):
    """The attacks: learning rate 1 and one round give the sum of a category with one person; a large step or penalty
    puts the model where the gradient counts the people on one side of a plane of the analyst's choice."""
    with pytest.raises(ConfigError, match=next(iter(chosen))):
        task(**chosen)
    with pytest.raises(ConfigError):
        FederatedLogisticRegression(epsilon=None, exact=True, **chosen).task(
            table="patients", features=FEATURES, target="disease"
        )
    with pytest.raises(ConfigError, match="start"):
        task(start=[1, 2, 3])


def test_the_model_says_that_rows_may_be_reconstructed(session):
    outcome = session.train(task())
    assert "training rows may be reconstructed" in outcome.notice
    assert "reconstructed" in session.plan_training(task()).to_dict()["notice"]
    assert "notice" not in session.plan_training(task(exact=False, epsilon=1)).to_dict()
