"""Every difference of two agreements has a sentence, and the sentence says what it is."""

import copy
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.consortium.amending.agreement_changes import changes
from federation.consortium.consortium_file import consortium_from_dict
from federation.errors import ConfigError

KEY = "ab" * 32
SITES = {
    name: {
        "address": f"{name}.example:7843",
        "fingerprint": f"{place}1" * 32,
        "public_key": f"{place}2" * 32,
    }
    for place, name in enumerate(("anna", "bert", "carl"))
}
TEXT = """
version = 1
name = "heart"
authority = "authority.pem"
relation = "replace_one"
colluding = 1
delta = "0.000001"
sequencer = "anna"

[budgets.patients]
epsilon = "4"
query = { share = "0.5" }
mining = { share = "0.25", plan = [{ mechanism = "gaussian", count = 10 }] }

[tables.patients]
privacy_unit = "row"
rows_max = 1000
exact_dimensions = ["sex"]
guessed = ["rows_max"]

[tables.patients.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1, unit = "a", guessed = true }
sex = { type = "categorical", domain = ["F", "M"] }
ill = { type = "boolean" }
"""


def document():
    found = tomllib.loads(TEXT, parse_float=Decimal)
    found["sites"] = copy.deepcopy(SITES)
    found["analysts"] = {"ada": {"fingerprint": "c1" * 32, "public_key": "c2" * 32, "cap": "1"}}
    return found


def read(found, authority=b"x"):
    return consortium_from_dict(found, authority_pem=authority)


def said(change):
    after = document()
    change(after)
    return changes(read(document()), read(after))


def columns(found):
    return found["tables"]["patients"]["columns"]


def renamed(found):
    found["sites"]["berta"] = found["sites"].pop("bert")


def look(found):
    columns(found)["age"].pop("guessed")
    found["tables"]["patients"].pop("guessed")


def deal(found):
    found["dealer"] = {"name": "deal", **SITES["anna"], "address": "d.example:1"}


CASES = {
    "patients: column dose added: numeric, lower 0, upper 9, resolution 0.5": lambda f: columns(f).update(
        dose={"type": "numeric", "lower": 0, "upper": 9, "resolution": Decimal("0.5")}
    ),
    "patients: column ill removed": lambda f: columns(f).pop("ill"),
    "patients: column age: bounds widened from 0 to 120 into 0 to 130": lambda f: columns(f)["age"].update(
        upper=130
    ),
    "patients: column age: bounds narrowed from 0 to 120 into 18 to 120": lambda f: columns(f)["age"].update(
        lower=18
    ),
    "patients: column age: bounds moved from 0 to 120 into 1 to 121": lambda f: columns(f)["age"].update(
        lower=1, upper=121
    ),
    "patients: column age: resolution changed from 1 to 0.5": lambda f: columns(f)["age"].update(
        resolution=Decimal("0.5")
    ),
    "patients: column sex: levels X added": lambda f: columns(f)["sex"].update(domain=["F", "M", "X"]),
    "patients: column sex: the new levels are not at the end: X, F, M": lambda f: columns(f)["sex"].update(
        domain=["X", "F", "M"]
    ),
    "patients: column sex: levels M removed": lambda f: columns(f)["sex"].update(domain=["F"]),
    "patients: column sex: the order of the levels changed to M, F": lambda f: columns(f)["sex"].update(
        domain=["M", "F"]
    ),
    "patients: column ill: nullable changed from no to yes": lambda f: columns(f)["ill"].update(
        nullable=True
    ),
    "patients: column age: no longer marked as guessed": look,
    "table patients: guessed changed from rows_max to nothing": look,
    "table patients: rows_max changed from 1000 to 2000": lambda f: f["tables"]["patients"].update(
        rows_max=2000
    ),
    "site bert renamed to berta": renamed,
    "site dora added at d.example:1, with the key abababababababab": lambda f: f["sites"].update(
        dora={"address": "d.example:1", "fingerprint": KEY, "public_key": KEY}
    ),
    "site carl removed": lambda f: f["sites"].pop("carl"),
    "site carl: address changed from carl.example:7843 to c:1": lambda f: f["sites"]["carl"].update(
        address="c:1"
    ),
    f"site carl: public_key changed from {'22' * 32} to {KEY}": lambda f: f["sites"]["carl"].update(
        public_key=KEY
    ),
    "analyst zoe added, with the key abababababababab": lambda f: f["analysts"].update(
        zoe={"fingerprint": KEY, "public_key": KEY}
    ),
    "analyst ada: cap changed from 1 to 0.5": lambda f: f["analysts"]["ada"].update(cap="0.5"),
    "dealer deal added at d.example:1": deal,
    "budget of patients: epsilon changed from 4 to 2.5": lambda f: f["budgets"]["patients"].update(
        epsilon="2.5"
    ),
    "budget of patients: mining share changed from 0.25 to 0.125": lambda f: f["budgets"]["patients"][
        "mining"
    ].update(share="0.125"),
    "minimum_cell changed from 10 to 20": lambda f: f.update(minimum_cell=20),
    "sequencer changed from anna to bert": lambda f: f.update(sequencer="bert"),
    "relation changed from replace_one to add_or_remove_one": lambda f: f.update(
        relation="add_or_remove_one"
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_a_change_is_said_in_words(sentence):
    assert sentence in said(CASES[sentence])


def test_another_authority_is_a_difference():
    (sentence,) = changes(read(document()), read(document(), b"y"))
    assert sentence.startswith("authority changed from ")


def test_equal_agreements_differ_in_nothing_whatever_the_order_of_their_keys():
    other = document()
    other["sites"] = dict(reversed(other["sites"].items()))
    other["tables"]["patients"]["columns"] = dict(reversed(columns(other).items()))
    assert read(other).digest() == read(document()).digest()
    assert changes(read(document()), read(other)) == []


LEAVES = st.one_of(
    st.booleans(),
    st.integers(0, 3000),
    st.sampled_from(["0.5", "0.25", "anna", "x.example:1", "boolean", KEY]),
    st.lists(st.sampled_from(["F", "M", "X", "age"]), max_size=3),
)


def places(found, path=()):
    for key, value in found.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@given(data=st.data())
def test_law_agreements_differ_in_words_exactly_where_their_digests_do(data):
    """Any one or two values set, removed or added anywhere in the file."""
    before, after = document(), document()
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(sorted(places(after))))
        parent = after
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent.pop(path[-1])
        else:
            parent[path[-1]] = data.draw(LEAVES)
    try:
        new = read(after)
    except (ConfigError, TypeError, ValueError):
        return
    old = read(before)
    assert bool(changes(old, new)) == (old.digest() != new.digest())
    assert bool(changes(new, old)) == (old.digest() != new.digest())
