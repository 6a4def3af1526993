"""The price command: its output, and one clear sentence for every invalid document."""

import json
import math

import pytest

from tests.cli.conftest import crossward

NOISE = {"mechanism": "gaussian", "noise_multiplier": "1"}
UNREADABLE = (
    "+1",
    "1.",
    ".5",
    "1_0",
    " 1",
    "1\n",
    "0x1",
    "NaN",
    "Infinity",
    "1/3",
    "1,5",
    "١",
    "１",
    "1%",
    "01",
    "",
)
WRONG = (*UNREADABLE, "-1", "1e5000", "1e", "9" * 2000, {}, ["1"], True, None, 1.5, "\ud800")


def document(events=None, **changes):
    return {
        "relation": "add_or_remove_one",
        "delta": "1e-6",
        "events": [NOISE] if events is None else events,
        **changes,
    }


@pytest.fixture
def priced(tmp_path):
    def ask(content, *options):
        path = tmp_path / "events.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return crossward("audit", "price", path, *options)

    return ask


def test_cli_price_is_a_calculator(priced, tmp_path):
    content = document([{"mechanism": "pure", "epsilon": "0.25", "count": 3}])
    assert "at delta 1e-06, add_or_remove_one" in priced(content).out
    assert 0.7499 < float(json.loads(priced(content, "--json").out)["epsilon"]) <= 0.75
    assert crossward("audit", "price", tmp_path / "none").code == 2


@pytest.mark.parametrize("noise", ["1", "3.3", "7", "1234.5", "0.01"])
def test_cli_the_printed_epsilon_is_never_below_the_computed_one(priced, noise):
    content = document([{"mechanism": "gaussian", "noise_multiplier": noise}])
    exact = json.loads(priced(content, "--json").out)["epsilon"]
    printed = float(priced(content).out.split()[1])
    assert exact <= printed <= exact * (1 + 1e-9)


def test_cli_an_infinite_price_is_said_in_words(priced):
    content = document([{"mechanism": "threshold", "delta": "0.1", "inner": NOISE}])
    ran = priced(content)
    assert (ran.code, ran.out.split()[:2]) == (0, ["epsilon", "infinite"])
    assert json.loads(priced(content, "--json").out)["epsilon"] == "infinity"


PLACES = {
    "noise_multiplier": lambda value: document([{**NOISE, "noise_multiplier": value}]),
    "delta": lambda value: document(delta=value),
    "relation": lambda value: document(relation=value),
    "count": lambda value: document([{**NOISE, "count": value}]),
    "mechanism": lambda value: document([{"mechanism": value}]),
    "events": lambda value: document(value) if value != ["1"] and value is not None else document({}),
    "events[0]": lambda value: document([value]),
    "shape": lambda value: document(
        [{"mechanism": "repeat_and_select", "inner": NOISE, "mean": "2", "shape": value}]
    ),
    "inner": lambda value: document([{"mechanism": "poisson", "sampling_rate": "0.5", "inner": value}]),
    "step_counts": lambda value: document(
        [{"mechanism": "tree", "noise_multiplier": "1", "step_counts": [value]}], relation="replace_special"
    ),
}


CASES = [
    *(("noise_multiplier", value) for value in WRONG),
    *((place, value) for at, place in enumerate(PLACES) for value in WRONG[at % 5 :: 5]),
]


def refused(priced, cases):
    for place, value in cases:
        ran = priced(PLACES[place](value))
        assert (ran.code, ran.out) == (2, ""), value
        assert ran.err.startswith("crossward: "), value
        assert place in ran.err, value
        assert len(ran.err.strip().splitlines()) == 1


def test_cli_a_wrong_value_gives_one_sentence_and_exit_code_2(priced):
    """Every wrong value at one place, every fifth at each."""
    refused(priced, CASES)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_cli_every_wrong_value_at_every_place(priced, place):
    refused(priced, [(place, value) for value in WRONG])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\0",
        b"{" * 9000,
        b'{"a":' * 5000,
        b'{"relation": ' + b"9" * 9000 + b"}",
        b"\xff\xfe\xff",
    ],
)
def test_cli_what_is_no_document_is_one_sentence(priced, content):
    ran = priced(content)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("crossward: document")


@pytest.mark.parametrize(
    ("event", "relation"),
    [
        ({"mechanism": "randomized_response", "p": "0.5", "k": 2}, "add_or_remove_one"),
        ({"mechanism": "tree", "noise_multiplier": "1", "step_counts": [3]}, "replace_one"),
        ({"mechanism": "poisson_gaussian", "sampling_rate": "0.1", "noise_multiplier": "1"}, "replace_one"),
        (
            {
                "mechanism": "without_replacement_gaussian",
                "population": 9,
                "sample": 2,
                "noise_multiplier": "1",
            },
            "replace_special",
        ),
    ],
)
def test_cli_an_event_without_proof_lists_the_proven_relations(priced, event, relation):
    ran = priced(document([NOISE, event], relation=relation))
    assert ran.code == 2
    assert f"events[1]: {event['mechanism']}: has a price under" in ran.err


def test_cli_json_is_strict(priced):
    found = json.loads(priced(document(), "--json").out, parse_constant=pytest.fail)
    assert found["pure_epsilon"] == "infinity"
    assert math.isfinite(found["epsilon"])
