"""Which values of a domain a list of codes names; held against a reference that compares letter by letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError
from analytics.schema.code_lists import chosen_codes

DOMAIN = ("I11", "I11.0", "I20", "I25.1", "I26.0", "I50", "I50.0", "I50.1", "I51", "J45", "none", 7)


@pytest.mark.parametrize(
    ("entries", "values"),
    [
        (["I50.0"], ("I50.0",)),
        (["i500"], ("I50.0",)),
        (["I50"], ("I50",)),
        (["I50*"], ("I50", "I50.0", "I50.1")),
        (["I50%"], ("I50", "I50.0", "I50.1")),
        (["I50.-"], ("I50", "I50.0", "I50.1")),
        (["I50-"], ("I50", "I50.0", "I50.1")),
        (["I20-I25"], ("I20", "I25.1")),
        (["I20 \u2013 I26"], ("I20", "I25.1", "I26.0")),
        (["I25.1-I50.0"], ("I25.1", "I26.0", "I50", "I50.0")),
        (["I26-I20"], ()),
        (["J45", "I11", "J45", " I11 "], ("I11", "J45")),
        (["7"], (7,)),
        (["*"], ()),
        (["-"], ()),
        (["", " "], ()),
        (["none"], ("none",)),
        (["no*"], ("none",)),
    ],
)
def test_what_an_entry_names(entries, values):
    assert chosen_codes(entries, DOMAIN).values == values


def test_what_names_nothing_is_said_once_and_in_order():
    assert chosen_codes(["Z9", "I11", "Z9", "Z8*"], DOMAIN).unmatched == ("Z9", "Z8*")


def test_an_entry_as_it_stands_comes_first_and_two_meanings_are_refused():
    domain = ("250.0", "25.00", "A-B", "A*")
    assert chosen_codes(["25.00", "A-B", "A*"], domain).values == ("25.00", "A-B", "A*")
    with pytest.raises(InvalidRequestError, match=r"2500 could be 25\.00, 250\.0"):
        chosen_codes(["2500"], domain)


CODES = st.builds(
    lambda letter, digits, tail: f"{letter}{digits:02d}" + (f".{tail}" if tail else ""),
    st.sampled_from("IJ"),
    st.integers(0, 12),
    st.sampled_from(["", "0", "1", "11"]),
)


@given(st.lists(CODES, min_size=1, max_size=12, unique=True), CODES, CODES)
def test_law_a_range_holds_the_categories_between_and_a_star_all_below(domain, first, last):
    first, last = first[:3], last[:3]
    between = {code for code in domain if first <= code[:3] <= last}
    assert set(chosen_codes([f"{first}-{last}"], domain).values) == between
    below = {code for code in domain if code[:3] == first}
    assert set(chosen_codes([f"{first}*"], domain).values) == below
    assert set(chosen_codes(domain, domain).values) == set(domain)
