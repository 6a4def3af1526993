"""A site's update: gradients against finite differences, integer sensitivity, and no error that depends on data."""

import logging
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_world import MADE_TABLES, made_frame, state_at, task_of

from analytics.errors import InvalidRequestError, LocalTimeoutError, SourceFailedError, SourceLostError
from federation.diagnostics.training_readiness import findings
from federation.training.encodings.features import Cases
from federation.training.local_update import clamped_sum, load_cases, quantized, site_update, unit_vectors
from federation.training.optimizer import Descent, UpdateRule
from federation.training.rounds.round_plan import GRID
from privacy_accounting.noise import SystemSource, discrete_gaussian

MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 5, "expected_units": 200}
LAW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def loss_of(matrix, target, theta):
    """The textbook's words, in long double."""
    score = matrix.astype(np.longdouble) @ theta.astype(np.longdouble)
    signed = np.where(target == 1, score, -score)
    return np.where(signed > 0, np.log1p(np.exp(-signed)), -signed + np.log1p(np.exp(signed)))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_gradients_are_the_finite_differences_of_the_loss(made, scale):
    plan = made.plan(task_of(**MADE))
    matrix, target, _ = made.pooled(plan)
    cases = Cases(matrix=matrix, target=target, starts=np.arange(len(target)))
    theta = scale * np.cos(np.arange(plan.encoding.width) + 1.0)
    found = plan.model.unit_vectors(cases, theta)
    gradients, losses = found.gradients, found.losses
    np.testing.assert_allclose(losses, loss_of(matrix, target, theta).astype(float), rtol=1e-12, atol=1e-12)
    step = 1e-6
    for place in range(len(theta)):
        shift = step * (np.arange(len(theta)) == place)
        rise = (loss_of(matrix, target, theta + shift) - loss_of(matrix, target, theta - shift)) / (2 * step)
        np.testing.assert_allclose(gradients[:, place], rise.astype(float), atol=1e-8)


ROWS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.integers(-200, 200),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    max_size=25,
)


@LAW
@given(
    rows=ROWS,
    gone=st.integers(1, 6),
    theta=st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5),
    clip=st.sampled_from(["0.01", "0.3", "1", "7"]),
    with_loss=st.booleans(),
)
def test_law_one_unit_moves_the_integer_sum_by_at_most_the_declared_norm(
    made, rows, gone, theta, clip, with_loss
):
    plan = made.plan(task_of(**(MADE | {"clip_norm": clip, "report_loss": with_loss})))
    table = np.array(sorted(rows), np.int64).reshape(-1, 5)
    model = np.array(theta)
    whole = clamped_sum(plan, plan.encoding.cases(table), model)
    less = clamped_sum(plan, plan.encoding.cases(table[table[:, 0] != gone]), model)
    moved = [int(value) for value in whole - less]
    assert sum(value * value for value in moved) <= plan.l2_unit**2
    event = plan.event(4)
    assert plan.l2_unit <= event.l2
    assert sum(map(abs, moved)) <= event.l1


@LAW
@given(
    values=st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    clip=st.floats(1e-9, 1e9),
)
def test_law_quantized_rows_stay_within_the_grid_norm(values, clip):
    found = quantized(np.array(values), clip / GRID, clip)
    for row in found.tolist():
        assert sum(value * value for value in row) <= GRID * GRID


@LAW
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_law_truncation_is_toward_zero_and_less_than_a_step(values):
    gradient = np.array([values]) / 2  # within the clip
    found = quantized(gradient, 1.0 / GRID, 1.0)[0]
    exact = [Fraction(float(value)) * GRID for value in gradient[0]]
    for unit, true in zip(found.tolist(), exact, strict=True):
        assert abs(unit) <= abs(true)
        assert abs(unit - true) < 1


def test_a_units_gradients_are_summed_before_the_clip(world_of):
    """The attack: a unit with many rows, each clipped on its own, counts many times."""
    table = MADE_TABLES["patients"]
    tables = {
        "patients": table
        | {
            "privacy_unit": "who",
            "max_rows_per_unit": 5,
            "columns": table["columns"] | {"who": {"type": "identifier"}},
        }
    }
    frame = pd.DataFrame({"who": ["p"] * 5, "x": [2.0] * 5, "k": ["a"] * 5, "b": [True] * 5, "y": [True] * 5})
    world = world_of(dict.fromkeys("abc", frame), tables=tables)
    plan = world.plan(task_of(**MADE))
    cases = load_cases(plan, world.sources["a"]["patients"], None)
    assert (len(cases.starts), len(cases.target)) == (1, 5)
    vectors = unit_vectors(plan, cases, np.zeros(plan.encoding.width))
    assert vectors.shape == (1, plan.length)
    assert GRID - 10 < np.linalg.norm(vectors.astype(float)) <= GRID


def test_blocks_of_many_rows_give_the_same_sum(made, monkeypatch):
    from federation.training import local_update

    plan = made.plan(task_of(**MADE))
    cases = load_cases(plan, made.sources["west"]["patients"], None)
    theta = np.linspace(-2, 2, plan.encoding.width)
    whole = clamped_sum(plan, cases, theta)
    monkeypatch.setattr(local_update, "_BLOCK_NUMBERS", 35)
    assert clamped_sum(plan, cases, theta).tolist() == whole.tolist()
    assert unit_vectors(plan, cases, theta).sum(axis=0).tolist() == whole.tolist()


def test_the_sum_is_clamped_to_the_public_bound(world_of):
    tables = {"patients": MADE_TABLES["patients"] | {"rows_max": 3}}
    world = world_of({name: made_frame(60, 1, target=True) for name in "abc"}, tables=tables)
    plan = world.plan(task_of(**(MADE | {"features": ("b",)})))
    cases = load_cases(plan, world.sources["a"]["patients"], None)
    total = clamped_sum(plan, cases, np.array([0.0, -5.0]))
    assert total.min() == -3 * GRID
    planned = plan.attempt(run="r", round_number=0, attempt=0, cohort=world.sites)
    update, _ = site_update(plan, planned, cases, state_at(plan, [0.0, -5.0]), SystemSource())
    assert abs(update).max() <= planned.manifest.layout.half_range


def test_features_are_scaled_by_public_bounds_alone(heart):
    plan = heart.plan(task_of())
    matrix, target, _ = heart.pooled(plan)
    assert len(target) == 740
    assert abs(matrix).max() <= 1
    raw = heart.sources["cleveland"]["patients"].complete_cases(["age", "sex", "cp", "oldpeak"])
    first = plan.encoding.labels
    assert first[:5] == ("age", "sex=M", "cp=atypical", "cp=non_anginal", "cp=asymptomatic")
    # Cleveland's first record: 63 years, male, typical, oldpeak 2.3
    assert raw[0].tolist() == [1, 63, 1, 0, 23]
    assert matrix[0, :5].tolist() == [pytest.approx((63 - 60) / 60), 1, 0, 0, 0]
    assert matrix[0, first.index("oldpeak")] == pytest.approx((2.3 - 2) / 6)


# ---- noise


def test_without_the_colluders_noise_the_honest_noise_is_still_enough(made):
    """P7: the opened sum minus what t sites know has at least the calibrated variance. False alarm below 1e-6."""
    plan = made.plan(task_of(**MADE))
    planned = plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites)
    empty = plan.encoding.cases(np.zeros((0, 5), np.int64))
    draws = 2_000
    honest = np.array(
        [
            sum(site_update(plan, planned, empty, plan.start(), SystemSource())[0] for _ in range(3))
            for _ in range(draws)
        ]
    ).ravel()
    wanted = 3 * planned.sigma2_local
    ratio = float(np.mean(honest.astype(float) ** 2)) / wanted
    assert abs(ratio - 1) < 5 * np.sqrt(2 / honest.size)


def test_every_update_has_fresh_noise_and_exact_runs_have_none(made):
    plan = made.plan(task_of(**MADE))
    planned = plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites)
    cases = load_cases(plan, made.sources["west"]["patients"], None)
    theta = np.zeros(plan.encoding.width)
    one, two = (site_update(plan, planned, cases, plan.start(), SystemSource())[0] for _ in range(2))
    assert (one != two).any()
    assert one.dtype == np.int64
    exact = made.plan(task_of(**(MADE | {"epsilon": None, "exact": True, "expected_units": None})))
    planned = exact.attempt(run="r", round_number=0, attempt=0, cohort=made.sites)
    found, _ = site_update(exact, planned, cases, exact.start(), None)
    assert found.tolist() == clamped_sum(exact, cases, theta).tolist()


# ---- data never cause an error after the charge (P19 iii); the administrator is told before (P19 i)


def odd_sites():
    rows = made_frame(30, 1)
    return {
        "no row": rows.iloc[:0],
        "no complete case": rows.assign(x=np.nan),
        "target missing": rows.assign(y=pd.array([None] * 30, "boolean")),
        "one class": made_frame(30, 1, target=False),
        "one row": rows.iloc[:1],
        "values outside": rows.assign(x=1e300, k=[*rows.k[:15], *["zzz"] * 15]),
        "infinite": rows.assign(x=np.inf),
    }


@pytest.mark.parametrize("name", sorted(odd_sites()))
def test_odd_data_give_a_noisy_update_and_a_message_to_the_administrator(world_of, name):
    frame = odd_sites()[name]
    world = world_of({"a": frame, "b": made_frame(30, 2), "c": made_frame(30, 3)})
    plan = world.plan(task_of(**MADE))
    planned = plan.attempt(run="r", round_number=0, attempt=0, cohort=world.sites)
    source = world.sources["a"]["patients"]
    update, _ = site_update(plan, planned, load_cases(plan, source, None), plan.start(), SystemSource())
    assert update.shape == (plan.length,)
    assert abs(update).max() > 0
    assert findings(plan, source)


def test_findings_say_nothing_of_a_good_site(made):
    assert findings(made.plan(task_of(**MADE)), made.sources["west"]["patients"]) == ()


class FailingSource:
    def __init__(self, error):
        self.error = error

    def complete_cases(self, columns, limit_s):
        raise self.error


@pytest.mark.parametrize(
    "error", [LocalTimeoutError(limit_s=1.0), SourceLostError(source="s")], ids=["late", "gone"]
)
def test_a_late_or_lost_database_gives_noise_or_ends_an_exact_run(made, error, caplog):
    plan = made.plan(task_of(**MADE))
    with caplog.at_level(logging.WARNING):
        cases = load_cases(plan, FailingSource(error), 1.0)
    assert len(cases.target) == 0
    assert "zero and noise" in caplog.text
    exact = made.plan(task_of(**(MADE | {"epsilon": None, "exact": True, "expected_units": None})))
    with pytest.raises(type(error)):
        load_cases(exact, FailingSource(error), 1.0)


def test_a_scan_that_fails_ends_a_private_run_too(made):
    """Whatever stood in its place could be a row's own doing."""
    failing = FailingSource(SourceFailedError(source="s", kind="k"))
    with pytest.raises(SourceFailedError):
        load_cases(made.plan(task_of(**MADE)), failing, 1.0)


def test_no_repr_shows_rows(made):
    plan = made.plan(task_of(**MADE))
    assert repr(load_cases(plan, made.sources["west"]["patients"], None)) == "Cases()"


# ---- the step


def test_the_descent_is_the_textbooks_in_exact_integers():
    rule = UpdateRule(
        width=2,
        step=Fraction(1, GRID),
        divisor=10,
        learning_rate=Fraction(1, 2),
        l2=Fraction(1, 4),
        momentum=Fraction(1, 2),
    )
    model, theta, speed = Descent.start(rule), np.zeros(2), np.zeros(2)
    for total in ([GRID * 3, -GRID * 7], [GRID, GRID], [-5 * GRID, 0]):
        model = model.stepped(total)
        speed = 0.5 * speed + np.array(total) / GRID / 10 + 0.25 * theta * [1, 0]
        theta = theta - 0.5 * speed
    np.testing.assert_allclose(model.values(), theta, atol=1e-9)
    assert all(type(value) is int for value in model.parameters)


def test_without_a_divisor_steps_are_divided_by_the_root_of_squared_norms():
    def rule(step):
        return UpdateRule(
            width=3,
            step=step,
            divisor=None,
            learning_rate=Fraction(4),
            l2=Fraction(0),
            momentum=Fraction(0),
        )

    sums = ([3 * GRID, -7 * GRID, 1], [GRID, GRID, 0], [-5 * GRID, 0, 2])
    model, theta, squares = Descent.start(rule(Fraction(1, GRID))), np.zeros(3), 0.0
    assert model.stepped([0, 0, 0]).parameters == (0, 0, 0)  # nothing to divide by
    for total in sums:
        model = model.stepped(total)
        squares += float(np.dot(np.array(total, float), np.array(total, float)))
        theta = theta - 4 * np.array(total) / np.sqrt(squares)
    np.testing.assert_allclose(model.values(), theta, atol=1e-8)
    # twice as many units with the same mean, and another unit of the grid: the same bits
    again = Descent.start(rule(Fraction(7, GRID)))
    for total in sums:
        again = again.stepped([2 * value for value in total])
    np.testing.assert_allclose(again.values(), model.values(), atol=1e-9)


def test_the_model_stays_finite_whatever_is_opened():
    rule = UpdateRule(
        width=2,
        step=Fraction(10**9, GRID),
        divisor=1,
        learning_rate=Fraction(10**9),
        l2=Fraction(0),
        momentum=Fraction(0),
    )
    model = Descent.start(rule).stepped([2**62, -(2**62)])
    assert model.values().tolist() == [-(2.0**20), 2.0**20]


@pytest.mark.parametrize("total", [[1], [1.0, 2.0], [True, 2], [float("nan"), 0]], ids=str)
def test_what_is_no_vector_of_integers_is_no_sum(total):
    from federation.errors import UpdateRejectedError

    rule = UpdateRule(
        width=2, step=Fraction(1), divisor=1, learning_rate=Fraction(1), l2=Fraction(0), momentum=Fraction(0)
    )
    with pytest.raises(UpdateRejectedError):
        Descent.start(rule).stepped(total)


@pytest.mark.parametrize(
    "bad",
    [np.array([np.nan] * 5), np.array([np.inf] * 5), np.zeros(5), np.zeros(4, np.int64), [0] * 5],
    ids=["NaN", "infinity", "floats", "shape", "list"],
)
def test_an_update_that_is_no_vector_of_planned_integers_is_not_packed(made, bad):
    from federation.errors import UpdateRejectedError
    from federation.paillier.packing import pack

    layout = (
        made.plan(task_of(**MADE))
        .attempt(run="r", round_number=0, attempt=0, cohort=made.sites)
        .manifest.layout
    )
    assert layout.length == 5
    with pytest.raises(UpdateRejectedError) as caught:
        pack(bad, layout, site="east")
    assert caught.value.site == "east"


def test_the_norm_is_checked_again_in_integers_after_the_floats():
    """A clip that came out a millionth too large is caught: the guarantee is the integers', not the floats'."""
    for row in ([1.0, 1.0, 1.0], [-3.0, 0.0, 4.0], [0.0, 0.0, -1.0]):
        found = quantized(np.array([row]), 1.0 / (GRID * (1 + 1e-6)), 1.0)[0].tolist()
        assert sum(value * value for value in found) <= GRID * GRID
        assert sum(value * value for value in found) > 0.99999 * GRID * GRID


def test_noise_beyond_the_sampler_is_refused_before_the_charge(made):
    """What is planned runs: a tiny epsilon over many rounds is refused by name, and the next larger one is drawn."""
    planned, refused = [], []
    for power in (-1, 3, 9):
        task = task_of(**(MADE | {"epsilon": Fraction(1, 10) ** power, "rounds": 1000}))
        try:
            plan = made.plan(task)
            planned.append(plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites))
        except InvalidRequestError as error:
            refused.append(error.parameter)
    assert (set(refused), bool(planned)) == ({"epsilon"}, True)
    assert len(discrete_gaussian(planned[-1].sigma2_local, 3, SystemSource())) == 3
