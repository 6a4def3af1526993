"""Events: accepted and refused values, and writing and reading as inverses."""

import dataclasses
import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting import events as ev
from privacy_accounting.decimals import as_fraction, format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import event_from_dict, event_to_dict
from privacy_accounting.rdp import with_colluding

positive = st.decimals(min_value="0.001", max_value="1000", places=3).map(Fraction)
unit = st.decimals(min_value="0.001", max_value="1", places=3).map(Fraction)
counts = st.integers(1, 1000)
plain = st.one_of(
    st.builds(ev.Gaussian, noise_multiplier=positive, count=counts),
    st.builds(ev.Laplace, scale_over_l1_sensitivity=positive, count=counts),
    st.builds(ev.DiscreteLaplace, a=positive, sensitivity=counts),
    st.builds(ev.DiscreteGaussian, sigma2=positive, l2_sensitivity=positive),
    st.builds(ev.ZCDP, rho=positive, xi=positive),
    st.builds(ev.Pure, epsilon=positive),
    st.builds(ev.RandomizedResponse, p=unit, k=counts),
    st.builds(ev.Exponential, epsilon=positive),
    st.builds(ev.TopK, epsilon=positive, k=counts),
    st.builds(ev.PoissonGaussian, sampling_rate=unit, noise_multiplier=positive),
    st.builds(
        ev.Tree, noise_multiplier=positive, step_counts=st.lists(counts, min_size=1, max_size=4).map(tuple)
    ),
)
nested = st.one_of(
    plain,
    st.builds(ev.Poisson, sampling_rate=unit, inner=plain),
    st.builds(
        ev.RepeatAndSelect, inner=plain, mean=positive.map(lambda x: x + 1), shape=st.none() | positive
    ),
    st.builds(ev.Threshold, inner=plain, delta=unit.map(lambda x: x / 2)),
)


@given(nested)
def test_law_reading_what_was_written_gives_the_event(event):
    assert event_from_dict(event_to_dict(event)) == event


@given(nested)
def test_law_events_are_frozen_values(event):
    assert hash(event) == hash(dataclasses.replace(event))
    with pytest.raises(AttributeError):
        event.count = 2


@given(st.fractions(max_denominator=1))
def test_law_decimals_are_inverse(value):
    assert parse_decimal(format_decimal(value)) == value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, True, False, "1.5", b"1", None, 1j, Decimal("nan"), Decimal("inf"), [1]],
)
def test_nothing_but_a_finite_number_gets_in(value):
    with pytest.raises(InvalidCostError):
        as_fraction(value)
    with pytest.raises(InvalidCostError):
        ev.Gaussian(noise_multiplier=value)
    with pytest.raises(InvalidCostError):
        ev.TopK(epsilon=Fraction(1), k=value)


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (ev.Gaussian, {"noise_multiplier": 0}),
        (ev.Gaussian, {"noise_multiplier": -1}),
        (ev.Gaussian, {"noise_multiplier": 1, "count": 0}),
        (ev.Gaussian, {"noise_multiplier": 1, "count": 2**63}),
        (ev.Gaussian, {"noise_multiplier": 2**200}),
        (ev.Laplace, {"scale_over_l1_sensitivity": 0}),
        (ev.ZCDP, {"rho": -1, "xi": 0}),
        (ev.Pure, {"epsilon": Fraction(-1, 10)}),
        (ev.PoissonGaussian, {"sampling_rate": Fraction(11, 10), "noise_multiplier": 1}),
        (ev.RandomizedResponse, {"p": 0, "k": 2}),
        (ev.RandomizedResponse, {"p": Fraction(1, 2), "k": 0}),
        (ev.Skellam, {"variance": 1, "l1": 1, "l2": 2}),
        (ev.WithoutReplacementGaussian, {"population": 2, "sample": 3, "noise_multiplier": 1}),
        (ev.RepeatAndSelect, {"inner": ev.Pure(epsilon=1), "mean": Fraction(1, 2), "shape": 1}),
        (ev.RepeatAndSelect, {"inner": "pure", "mean": 2, "shape": 1}),
        (ev.Tree, {"noise_multiplier": 1, "step_counts": ()}),
        (ev.Threshold, {"inner": ev.Pure(epsilon=1), "delta": 1}),
        (ev.Threshold, {"inner": ev.Pure(epsilon=1), "delta": 0}),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(cls, parameters):
    with pytest.raises(InvalidCostError) as caught:
        cls(**parameters)
    assert cls.mechanism in str(caught.value)


def test_p7_a_local_variance_below_1_cannot_be_written_down():
    with pytest.raises(InvalidCostError):
        ev.DistributedDiscreteGaussian(
            parties=3, colluding=1, sigma2_local=Fraction(99, 100), l1=1, l2=1, dim=1
        )


def test_colluders_are_counted_inside_other_events_too():
    share = ev.DistributedDiscreteGaussian(parties=3, colluding=1, sigma2_local=4, l1=1, l2=1, dim=1)
    event = ev.Threshold(inner=ev.Poisson(sampling_rate=Fraction(1, 2), inner=share), delta=Fraction(1, 100))
    assert with_colluding(event, 2).inner.inner.colluding == 2
    with pytest.raises(InvalidCostError):
        with_colluding(event, 3)


def test_a_float_counts_as_what_a_person_typed():
    assert ev.Gaussian(noise_multiplier=0.1).noise_multiplier == Fraction(1, 10)


def test_importing_the_package_loads_numpy_alone_and_no_thread():
    code = (
        "import sys, threading, privacy_accounting, privacy_accounting.rdp, privacy_accounting.noise,"
        " privacy_accounting.calibration\n"
        "heavy = {'scipy', 'torch', 'pandas', 'mpmath', 'cryptography', 'jinja2', 'psycopg', 'dp_accounting'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
