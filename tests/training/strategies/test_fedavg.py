"""FedAvg: the attacks on local steps with an epsilon, the price of a round, and a plain average as the oracle."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from training_world import SITES, added_up, auc, state_at, task_of

from federation.errors import ConfigError, RequestRejectedError, UpdateRejectedError
from federation.protocol.exchange import call
from federation.protocol.training_messages import Start, UpdateSent
from federation.training import local_update
from federation.training.encodings.features import Cases
from federation.training.local_update import SiteSums, site_update
from federation.training.optimizer import Descent
from federation.training.rounds.round_plan import GRID
from federation.training.site_worker import TRAIN
from federation.training.strategies.base import PrivateForm, Strategy
from federation.training.strategies.registry import STRATEGIES
from privacy_accounting.events import DistributedDiscreteGaussian
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.noise import SystemSource

MADE = {"features": ("x", "k", "b"), "target": "y", "expected_units": None, "strategy": "fedavg"}
PRIVATE = MADE | {"epsilon": 2, "rounds": 4}
EXACT = MADE | {"epsilon": None, "exact": True, "rounds": 4}


def first_attempt(world, plan):
    return plan.attempt(run="r", round_number=0, attempt=0, cohort=world.sites)


def cases_at(world, plan, site):
    names = [*(feature.name for feature in plan.encoding.features), plan.encoding.target]
    return plan.encoding.cases(world.sources[site]["patients"].complete_cases(names))


# ---- attack: a local step with less than the site's own full noise


@pytest.mark.parametrize("local_epochs", [1, 2, 5])
@pytest.mark.parametrize("sites_per_unit", [1, None])
def test_each_local_step_has_the_full_noise_of_one_site(world_of, local_epochs, sites_per_unit):
    """The oracle is zCDP by hand: every step of every site that may hold the unit, whatever the other sites add."""
    from training_world import MADE_TABLES, made_frame

    tables = {"patients": MADE_TABLES["patients"] | {"max_sites_per_unit": sites_per_unit}}
    if sites_per_unit is None:
        del tables["patients"]["max_sites_per_unit"]
    world = world_of({name: made_frame(9, 1) for name in "abcd"}, tables=tables)
    plan = world.plan(task_of(**(PRIVATE | {"local_epochs": local_epochs})))
    sigma2 = first_attempt(world, plan).sigma2_local
    n_steps = 4 * local_epochs * (sites_per_unit or 4)
    rho = n_steps * plan.l2_unit**2 / (2 * sigma2)
    orders = np.linspace(1.01, 200, 20_000)
    log_delta = math.log(float(plan.terms.delta))
    epsilons = (
        rho * orders + np.log1p(-1 / orders) - (log_delta + np.log(orders)) / (orders - 1)
    )  # Balle and others 2020, Theorem 21
    assert 1.95 < epsilons.min() < 2.02


def test_the_noise_of_a_local_step_is_not_divided_among_the_sites(made):
    """The attack: noise of variance sigma^2 / (n - t), which pays for sums that are never seen alone."""
    plan = made.plan(task_of(**PRIVATE))
    four, three = plan.event(4), plan.event(3)
    assert four == three
    shared = made.plan(task_of(**(PRIVATE | {"strategy": "sum_gradient", "rounds": 8})))
    assert four.sigma2 == pytest.approx(3 * shared.event(4).sigma2_local, rel=1e-4)


def test_every_sum_that_the_strategy_sees_is_noised(made, monkeypatch):
    """One draw of the planned variance for each local step of each site, and the draws have that variance."""
    drawn, draw = [], local_update.discrete_gaussian

    def spy(sigma2, size, source):
        drawn.append((sigma2, draw(sigma2, size, source)))
        return drawn[-1][1]

    monkeypatch.setattr(local_update, "discrete_gaussian", spy)
    task = task_of(**(PRIVATE | {"rounds": 6}))
    plan, _, _, _ = added_up(made, task)
    sigma2 = first_attempt(made, plan).sigma2_local
    assert [variance for variance, _ in drawn] == [sigma2] * (6 * 2 * len(made.sites))
    empty = plan.encoding.cases(np.zeros((0, 5), np.int64))
    sums = [
        SiteSums(plan, first_attempt(made, plan), empty, SystemSource()).at(plan.start().parameters)
        for _ in range(600)
    ]
    ratio = float(np.mean(np.array(sums, float) ** 2)) / sigma2
    assert abs(ratio - 1) < 5 * math.sqrt(2 / (600 * plan.sum_length))


def test_an_entry_that_charges_fewer_or_cheaper_steps_is_refused_by_every_party(made):
    plan = made.plan(task_of(**PRIVATE))
    event = plan.event(4)
    shared = DistributedDiscreteGaussian(
        parties=4, colluding=1, sigma2_local=Fraction(event.sigma2.numerator // 3), l1=100 * event.l2_sensitivity,
        l2=event.l2_sensitivity, dim=plan.sum_length, count=2,
    )  # fmt: skip
    for nonce, cheap in enumerate(
        (replace(event, count=1), replace(event, sigma2=2 * event.sigma2), shared), 1
    ):
        hand = made.attempt(task_of(**PRIVATE), nonce=nonce, charge={"events": (event_text(cheap),)})
        start = Start(request=hand.request, entry=hand.entry, used_attempts=[])
        with pytest.raises(RequestRejectedError, match="not the price"):
            call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
        with pytest.raises(RequestRejectedError, match="not the price"):
            hand.send("east")
    assert made.noted["east"] == []


class OneMore(Strategy):
    """Asks for one sum more than it is charged for."""

    name, private_form = "one_more", PrivateForm.LOCAL_STEPS

    def local_update(self, shape, state, sums, kept):
        sums.at(state.parameters)
        return sums.at(state.parameters), kept

    def next(self, shape, state, total):
        return state.stepped(total)


class Weighted(OneMore):
    """Weighs its sum in the form whose noise all sites share."""

    name, private_form = "weighted", PrivateForm.ONE_SUM

    def local_update(self, shape, state, sums, kept):
        return [3 * value for value in sums.at(state.parameters)], kept


class Remembering(OneMore):
    """Keeps a sum from round to round, and sends it with the next one."""

    name, private_form, keeps_state = "remembering", PrivateForm.LOCAL_STEPS, True

    def local_update(self, shape, state, sums, kept):
        found = sums.at(state.parameters)
        return [new + old for new, old in zip(found, kept or [0] * len(found), strict=True)], found


class RememberingSum(Remembering):
    name, private_form = "remembering_sum", PrivateForm.ONE_SUM


class TwoSums(OneMore):
    """Sends the sum at a point that it has from another one, in the form whose noise all sites share."""

    name, private_form = "two_sums", PrivateForm.ONE_SUM

    def n_sums(self, options):
        return 2

    def local_update(self, shape, state, sums, kept):
        return sums.at(state.stepped(sums.at(state.parameters)).parameters), kept


class Clear(OneMore):
    name, private_form = "clear", None


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for toy in (OneMore(), Weighted(), Remembering(), RememberingSum(), TwoSums(), Clear()):
        monkeypatch.setitem(STRATEGIES, toy.name, toy)


def test_a_sum_that_is_not_charged_is_not_computed(made):
    plan = made.plan(task_of(**(PRIVATE | {"strategy": "one_more"})))
    with pytest.raises(UpdateRejectedError, match="not charged for one more sum"):
        site_update(
            plan, first_attempt(made, plan), cases_at(made, plan, "east"), plan.start(), SystemSource()
        )


# ---- attack: weights from private counts


def test_a_strategy_sees_noisy_sums_and_neither_rows_nor_counts():
    assert [name for name in dir(SiteSums) if not name.startswith("_")] == ["at"]


@pytest.mark.parametrize("mode", [PRIVATE, EXACT], ids=["private", "exact"])
def test_the_number_of_a_sites_units_does_not_weigh_its_update(made, mode, monkeypatch):
    """Pairs of units whose vectors cancel change the count and no sum: the update stays what it was."""
    monkeypatch.setattr(
        local_update, "discrete_gaussian", lambda sigma2, size, _: np.arange(size) * math.isqrt(sigma2)
    )
    plan = made.plan(task_of(**(mode | {"local_epochs": 1})))
    own = cases_at(made, plan, "east")
    pairs = np.repeat(own.matrix[:1], 40, axis=0)
    more = Cases(
        matrix=np.vstack([own.matrix, pairs]),
        target=np.concatenate([own.target, np.tile([0.0, 1.0], 20)]),
        starts=np.arange(len(own.target) + 40),
    )
    planned = first_attempt(made, plan)
    one, two = (site_update(plan, planned, cases, plan.start(), None)[0] for cases in (own, more))
    assert one.tolist() == two.tolist()


def test_a_sum_with_shared_noise_is_sent_as_it_is(made):
    """The attack: noise that is multiplied by a weight lies on a lattice, and the sites' variances differ."""
    plan = made.plan(task_of(**(PRIVATE | {"strategy": "weighted"})))
    with pytest.raises(UpdateRejectedError, match="changed a sum whose noise all sites share"):
        site_update(
            plan, first_attempt(made, plan), cases_at(made, plan, "east"), plan.start(), SystemSource()
        )


# ---- attack: a state that each site keeps


def test_a_kept_state_is_refused_where_the_sites_share_the_noise(made):
    with pytest.raises(ConfigError, match="strategy: each site keeps a state for remembering_sum"):
        made.plan(task_of(**(PRIVATE | {"strategy": "remembering_sum"})))
    made.plan(task_of(**(PRIVATE | {"strategy": "remembering"})))


def test_a_kept_state_is_made_of_noisy_sums(made, monkeypatch):
    noisy = iter(range(1, 100))
    monkeypatch.setattr(
        local_update, "discrete_gaussian", lambda _, size, __: np.full(size, next(noisy) << 40)
    )
    plan = made.plan(task_of(**(PRIVATE | {"strategy": "remembering"})))
    planned, own = first_attempt(made, plan), cases_at(made, plan, "east")
    first, kept = site_update(plan, planned, own, plan.start(), None)
    assert all(value >> 39 for value in kept)
    second, _ = site_update(plan, planned, own, plan.start(), None, kept)
    assert (second >= first).all()


def test_fedavg_keeps_nothing_from_round_to_round(made, monkeypatch):
    """A site that has just started sends what a site of many rounds sends."""
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    plan = made.plan(task_of(**PRIVATE))
    planned, own = first_attempt(made, plan), cases_at(made, plan, "east")
    state = replace(state_at(plan, [0.5, -1, 0, 2, 0.25]), squares=(30 * GRID) ** 2)
    kept = None
    for _ in range(3):
        _, kept = site_update(plan, planned, own, plan.start(), None, kept)
    assert kept is None
    worn, fresh = (site_update(plan, planned, own, state, None, before)[0] for before in (kept, None))
    assert worn.tolist() == fresh.tolist()
    assert vars(STRATEGIES["fedavg"]) == {}


# ---- refusals before the charge


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"momentum": "0.5"}, "momentum: fedavg has none"),
        ({"local_epochs": 0}, "local_epochs: must be a whole number from 1 to 10"),
        ({"local_epochs": 2.0}, "local_epochs: must be"),
        ({"local_epochs": True}, "local_epochs: must be"),
        ({"strategy": "sum_gradient", "local_epochs": 2}, "local_epochs: is not a parameter"),
        ({"strategy": "fednova"}, "strategy: must be one of"),
        ({"strategy": "clear"}, "strategy: clear trains without an epsilon only"),
        ({"strategy": "two_sums"}, "strategy: two_sums needs more than one sum"),
        ({"proximal": 1}, "proximal: is not a parameter"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, changes, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(PRIVATE | changes)))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


def test_p16_without_noise_every_site_takes_part_and_the_step_rule_is_fixed(made):
    plan = made.plan(task_of(**EXACT))
    with pytest.raises(ConfigError, match="every site"):
        plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites[:3])
    with pytest.raises(ConfigError, match="learning_rate"):
        task_of(**(EXACT | {"learning_rate": 1}))
    with pytest.raises(ConfigError, match="local_epochs"):
        task_of(**(EXACT | {"local_epochs": 100}))


def test_a_request_names_strategy_and_local_epochs_and_reads_back():
    from federation.training.task import task_of as read_back

    task = task_of(**PRIVATE)
    question = task.question()
    assert (question["strategy"], question["local_epochs"]) == ("fedavg", 2)
    assert read_back(question, mode="private", epsilon=Fraction(2), purpose=task.purpose) == task
    plain = task_of().question()
    assert {"strategy", "model", "local_epochs"}.isdisjoint(plain)
    for change in ({"strategy": "sum_gradient"}, {"model": "logistic_regression"}, {"options": {}}):
        with pytest.raises(ConfigError):
            read_back(plain | change, mode="private", epsilon=Fraction(2), purpose=task.purpose)


# ---- accuracy


def plain_average(parts, rounds, local_epochs, rate):
    """Local descents in floats; each step is divided by the root of the squares so far, as the module says."""
    theta, squares = np.zeros(parts[0].matrix.shape[1]), 0.0
    for _ in range(rounds):
        moves, sizes = [], []
        for part in parts:
            own, seen = theta.copy(), squares
            for _ in range(local_epochs):
                total = (1 / (1 + np.exp(-part.matrix @ own)) - part.target) @ part.matrix
                seen += total @ total
                own = own - rate * total / np.sqrt(seen)
            moves.append(own - theta)
            sizes.append(np.sqrt(seen - squares))
        theta, squares = theta + np.mean(moves, axis=0), squares + np.mean(sizes) ** 2
    return theta


def test_without_noise_it_is_the_plain_average_and_it_learns(heart):
    task = task_of(strategy="fedavg", epsilon=None, exact=True, expected_units=None, rounds=20)
    plan, state, matrix, target = added_up(heart, task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    np.testing.assert_allclose(state.values(), plain_average(parts, 20, 2, 4.0), atol=1e-3)
    assert auc(target, matrix @ state.values()) > 0.88


def test_four_hospitals_with_an_epsilon(heart):
    """Draws lay between 0.873 and 0.879 for ten rounds of two local steps; the noise alone gives 0.5."""
    task = task_of(strategy="fedavg", expected_units=None, rounds=10)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.85


def test_a_run_over_the_wire_charges_each_local_step_and_survives_a_lost_site(made):
    task, lost = task_of(**(PRIVATE | {"report_loss": True})), []
    request = made.request(task)

    def charge(planned):
        if "west" in planned.manifest.cohort and planned.manifest.attempt.round_number == 2:
            lost.append(planned)
            from smpc.errors import PartyLostError

            raise PartyLostError(name="west")
        return made.charge(task, request, planned)

    outcome = made.driver(task, charge=charge).go()
    assert len(lost) == 1
    assert outcome.is_whole
    assert outcome.n_charged == outcome.model.n_steps == 4
    assert outcome.epsilon <= 2
    from privacy_accounting.ledger.entries import Entry

    events = [Entry.from_bytes(entry).body.content.parsed_events for entry in outcome.entries]
    assert [event.count for (event,) in events] == [2] * 4
    assert all(step.loss is not None for step in outcome.history)
    assert isinstance(outcome.model, Descent)
    assert made.trainers["east"]._following.model.n_steps == 3


def test_the_class_takes_the_strategy_and_its_options(made, tmp_path):
    from federation.training.estimators import FederatedLogisticRegression

    model = FederatedLogisticRegression(rounds=2, strategy="fedavg", local_epochs=3)
    clone = pytest.importorskip("sklearn.base", reason="a test dependency").clone
    assert clone(model).get_params() == model.get_params()
    model.fit(made, table="patients", features=["x", "k", "b"], target="y")
    assert dict(model.outcome_.plan.task.options) == {"local_epochs": 3}
    model.save(tmp_path / "m.json")
    again = FederatedLogisticRegression.load(tmp_path / "m.json")
    assert again.get_params() == model.get_params()
    assert FederatedLogisticRegression.from_outcome(model.outcome_).options == {"local_epochs": 3}
    assert FederatedLogisticRegression().set_params(strategy="fedavg", local_epochs=1).options == {
        "local_epochs": 1
    }
    with pytest.raises(ConfigError, match="local_epochs"):
        FederatedLogisticRegression(local_epochs=1).task(table="t", features=["x"], target="y")
