"""The price calculator: its event documents, its numbers, and every invalid document."""

import json
import math
from fractions import Fraction

import pytest

from privacy_accounting.audit.price import PriceDocumentError, price_document
from privacy_accounting.events import MECHANISMS, Relation, event_from_dict
from privacy_accounting.rdp import epsilon, standalone_epsilon

EXAMPLE = {
    "relation": "add_or_remove_one",
    "delta": "1e-6",
    "events": [{"mechanism": "gaussian", "noise_multiplier": "1.1", "count": 3}],
}
INNER = {"mechanism": "gaussian", "noise_multiplier": "5"}
VOCABULARY = [
    ("add_or_remove_one", INNER),
    ("add_or_remove_one", {"mechanism": "laplace", "scale_over_l1_sensitivity": "2"}),
    ("add_or_remove_one", {"mechanism": "discrete_laplace", "a": "0.5", "sensitivity": 2}),
    ("add_or_remove_one", {"mechanism": "discrete_gaussian", "sigma2": "9", "l2_sensitivity": "1"}),
    (
        "add_or_remove_one",
        {
            "mechanism": "distributed_discrete_gaussian",
            "parties": 4,
            "colluding": 1,
            "sigma2_local": "16",
            "l1": "2",
            "l2": "1.5",
            "dim": 3,
        },
    ),
    ("replace_one", {"mechanism": "skellam", "variance": "100", "l1": "2", "l2": "1"}),
    ("replace_one", {"mechanism": "zcdp", "rho": "0.1", "xi": "0"}),
    ("replace_one", {"mechanism": "pure", "epsilon": "0.5"}),
    (
        "add_or_remove_one",
        {"mechanism": "poisson_gaussian", "sampling_rate": "0.01", "noise_multiplier": "1"},
    ),
    (
        "replace_one",
        {
            "mechanism": "without_replacement_gaussian",
            "population": 1000,
            "sample": 10,
            "noise_multiplier": "1",
        },
    ),
    ("replace_one", {"mechanism": "randomized_response", "p": "0.5", "k": 3}),
    ("replace_special", {"mechanism": "tree", "noise_multiplier": "5", "step_counts": [8, 3]}),
    ("replace_special", {"mechanism": "tree", "noise_multiplier": "5", "step_counts": 8}),
    ("add_or_remove_one", {"mechanism": "repeat_and_select", "inner": INNER, "mean": "10", "shape": "1"}),
    (
        "add_or_remove_one",
        {"mechanism": "repeat_and_select", "inner": INNER, "mean": "10", "shape": "infinity"},
    ),
    ("add_or_remove_one", {"mechanism": "exponential", "epsilon": "0.5"}),
    ("add_or_remove_one", {"mechanism": "top_k", "epsilon": "0.1", "k": 5}),
    (
        "replace_one",
        {
            "mechanism": "distributed_discrete_laplace",
            "parties": 4,
            "colluding": 1,
            "shares": 3,
            "b": "4",
            "l1": 2,
            "dim": 3,
        },
    ),
]


def with_(**changes):
    return {**EXAMPLE, **changes}


def one(**parameters):
    return with_(events=[{"mechanism": "gaussian", "noise_multiplier": "1.1", **parameters}])


def test_the_documented_example():
    report = price_document(json.dumps(EXAMPLE).encode())
    assert report.epsilon == pytest.approx(8.26565, abs=1e-5)  # the exact profile; by orders 8.80356
    written = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert written["order"] is None
    assert written["delta"] == "0.000001"
    assert written["pure_epsilon"] == "infinity"


@pytest.mark.parametrize("place", range(len(VOCABULARY)))
def test_every_mechanism_has_a_price_that_is_the_accountants(place):
    relation, event = VOCABULARY[place]
    report = price_document({"relation": relation, "delta": "1e-6", "events": [event]})
    assert 0 < report.epsilon < math.inf
    known = [event_from_dict(event)], Fraction(1, 10**6), Relation(relation)
    assert report.epsilon == standalone_epsilon(*known).epsilon <= epsilon(*known).epsilon


def test_the_vocabulary_is_complete():
    assert {event["mechanism"] for _, event in VOCABULARY} | {"poisson", "threshold"} == set(MECHANISMS)


def test_the_pure_sum_is_exact_for_any_denominators():
    events = [{"mechanism": "laplace", "scale_over_l1_sensitivity": f"{prime}"} for prime in (3, 7, 11, 13)]
    report = price_document({"relation": "replace_one", "delta": "1e-9", "events": events * 3})
    exact = 6 * sum(Fraction(1, prime) for prime in (3, 7, 11, 13))
    assert exact <= Fraction(report.pure_epsilon) <= exact * (1 + Fraction(1, 2**51))
    assert report.epsilon <= report.pure_epsilon


def test_thousands_of_odd_denominators_are_summed_fast_and_never_too_low():
    scales = [f"{1000 + 2 * step + 1}" for step in range(3000)]
    events = [{"mechanism": "laplace", "scale_over_l1_sensitivity": scale} for scale in scales]
    report = price_document({"relation": "add_or_remove_one", "delta": "1e-6", "events": events})
    exact = sum(Fraction(1, int(scale)) for scale in scales)
    assert exact <= Fraction(report.pure_epsilon) <= exact * (1 + Fraction(1, 2**50))


def test_numbers_may_have_exponents_and_integers_may_be_plain():
    plain = price_document(one(noise_multiplier="20", count="3"))
    assert price_document(one(noise_multiplier="2e1", count=3)).epsilon == plain.epsilon
    assert price_document(one(noise_multiplier=20, count=3)).epsilon == plain.epsilon


WRONG = {
    "no object": [],
    "relation unknown": with_(relation="swap"),
    "relation of another type": with_(relation=1),
    "no relation": {key: EXAMPLE[key] for key in ("delta", "events")},
    "no delta": {key: EXAMPLE[key] for key in ("relation", "events")},
    "no events": {key: EXAMPLE[key] for key in ("relation", "delta")},
    "unknown key": with_(epsilon="1"),
    "delta 0": with_(delta="0"),
    "delta 1": with_(delta="1"),
    "delta negative": with_(delta="-0.1"),
    "delta above 1": with_(delta="1.5"),
    "delta a float": with_(delta=1e-6),
    "delta not a number": with_(delta="nan"),
    "delta infinite": with_(delta="inf"),
    "delta with a space": with_(delta=" 0.1"),
    "events no list": with_(events={}),
    "events empty": with_(events=[]),
    "event no object": with_(events=["gaussian"]),
    "mechanism unknown": with_(events=[{"mechanism": "magic"}]),
    "mechanism missing": with_(events=[{"noise_multiplier": "1"}]),
    "parameter missing": with_(events=[{"mechanism": "gaussian"}]),
    "parameter unknown": one(sensitivity="1"),
    "a float": one(noise_multiplier=1.1),
    "not a number": one(noise_multiplier="nan"),
    "infinity": one(noise_multiplier="inf"),
    "negative": one(noise_multiplier="-1"),
    "zero noise": one(noise_multiplier="0"),
    "a boolean": one(noise_multiplier=True),
    "null": one(noise_multiplier=None),
    "a boolean count": one(count=True),
    "count 0": one(count=0),
    "a broken count": one(count="1.5"),
    "a huge exponent": one(noise_multiplier="1e999"),
    "hexadecimal": one(noise_multiplier="0x10"),
    "no proof under the relation": with_(relation="replace_one", events=[VOCABULARY[8][1]]),
    "colluding all": with_(events=[{**VOCABULARY[4][1], "colluding": 4}]),
    "local variance below 1": with_(events=[{**VOCABULARY[4][1], "sigma2_local": "0.9"}]),
    "a list for a shape": with_(events=[{**VOCABULARY[13][1], "shape": ["1"]}]),
    "an object for a shape": with_(events=[{**VOCABULARY[13][1], "shape": {}}]),
    "an object for a mechanism": with_(events=[{"mechanism": {}}]),
    "nested too deeply": with_(
        events=[{"mechanism": "poisson", "sampling_rate": "0.1", "inner": {"inner": {}}}]
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_message_is_refused_parsed_or_as_bytes(name):
    for document in (WRONG[name], json.dumps(WRONG[name]).encode()):
        with pytest.raises(PriceDocumentError) as caught:
            price_document(document)
        assert caught.value.mistakes


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"delta": NaN}', b"[" * 100_000, b"1"])
def test_bytes_that_are_no_document(data):
    with pytest.raises(PriceDocumentError):
        price_document(data)


def test_a_key_that_stands_twice_is_refused():
    with pytest.raises(PriceDocumentError, match="twice"):
        price_document(b'{"delta": "0.1", "delta": "0.2", "relation": "replace_one", "events": []}')


def test_every_mistake_is_named_at_once_with_its_place():
    document = {
        "relation": "x",
        "delta": "2",
        "events": [
            {"mechanism": "gaussian", "noise_multiplier": "-1", "count": 0},
            INNER,
            {"mechanism": "top_k", "epsilon": "0.1"},
            {"mechanism": "poisson", "sampling_rate": "2", "inner": {"mechanism": "laplace"}},
        ],
    }
    with pytest.raises(PriceDocumentError) as caught:
        price_document(document)
    assert [mistake.what for mistake in caught.value.mistakes] == [
        "relation",
        "delta",
        "events[0].count",
        "events[0].noise_multiplier",
        "events[2].k",
        "events[3].sampling_rate",
        "events[3].inner.scale_over_l1_sensitivity",
    ]
    for mistake in caught.value.mistakes:
        assert mistake.what in str(caught.value)
