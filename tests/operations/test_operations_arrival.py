"""A site refuses on arrival: requests with malformed fields, and texts with hidden characters."""

import json
import tomllib
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError, SchemaError
from analytics.schema import Schema
from federation.errors import ConfigError
from federation.identity.authority import Authority
from federation.protocol.codec import decode, encode
from federation.protocol.messages import Ask, AttemptRequest, Deal, LedgerSince
from federation.protocol.request import Request
from federation.protocol.request_form import MAX_REQUEST_BYTES
from privacy_accounting.ledger.entries import Body
from smpc.errors import PeerRejectedError
from tests.ledger.ledger_world import World, a_charge, admit_all, an_exact
from tests.operations.operations_world import COUNT
from tests.setup.setup_world import SCHEMA

RIGHT = {
    "version": 2,
    "kind": "query",
    "mode": "private",
    "epsilon": "0.1",
    "analyst": "analyst",
    "purpose": "test",
    "nonce": "0" * 32,
    "configuration": "0" * 64,
    "plan": "0" * 64,
    "question": {"sql": COUNT},
}
# turn the writing, join, take no place, end a line, control, private, unassigned, lone surrogate
HIDDEN = ("\u202e", "\u2066", "\u200e", "\u200d", "\u200b", "\ufeff", "\u2028", "\x00", "\x1b", "\x7f")
HIDDEN += ("\x85", "\ue000", "\U000e0041", "\u0378", "\ud800")
LONG = "a" * 10_000


def written(**changes):
    return json.dumps(RIGHT | changes, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def test_a_request_in_the_right_form_is_read():
    assert Request.from_bytes(written()).purpose == "test"
    layout = "SELECT\n\tCOUNT(*)\r\nAS n FROM\u00a0visits -- Zürich, 東京"
    assert Request.from_bytes(written(question={"sql": layout})).question == {"sql": layout}
    assert Request.from_bytes(written(purpose="Qualität der Versorgung, 2026")).purpose


@pytest.mark.parametrize("name", sorted(set(RIGHT) - {"purpose"}))
@pytest.mark.parametrize(
    "value", [None, 0, 1.5, True, "", " ", [], {"a": 1}, LONG, "\u202e", "query\n"], ids=repr
)
def test_a_field_of_another_type_length_or_with_other_characters_is_refused(name, value):
    if (name == "epsilon" and value is None) or (name == "question" and value == {"a": 1}):
        return  # an exact request; a question of another kind, which planning refuses
    with pytest.raises((PeerRejectedError, InvalidRequestError)):
        Request.from_bytes(written(**{name: value}))


@pytest.mark.parametrize("value", [None, 0, [], {}, "", " ", " a", "a" * 201, "a\nb", *HIDDEN], ids=repr)
def test_a_purpose_is_one_line_of_printable_text(value):
    with pytest.raises((PeerRejectedError, InvalidRequestError), match="purpose"):
        Request.from_bytes(written(purpose=value))


@pytest.mark.parametrize("sign", HIDDEN, ids=lambda sign: f"U+{ord(sign):04X}")
def test_no_hidden_character_stands_in_a_question(sign):
    for question in ({"sql": f"SELECT {sign}"}, {sign: 1}, {"a": [[sign]]}, {"items": ["sex=M", f"a{sign}"]}):
        with pytest.raises(InvalidRequestError, match=f"U\\+{ord(sign):04X}"):
            Request.from_bytes(written(question=question))


def test_a_text_that_is_slow_to_parse_is_refused():
    deep = [1]
    for _ in range(900):
        deep = [deep]
    for question in ({"a": deep}, {"a": [0] * 30_000}, {"a": 2**63}, {"a": 0.5}, {"a": 10**1000}):
        with pytest.raises(PeerRejectedError):
            Request.from_bytes(written(question=question))
    with pytest.raises(PeerRejectedError, match="too long"):
        Request.from_bytes(b" " * (MAX_REQUEST_BYTES + 1))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(RIGHT)), ANY, min_size=1))
def test_any_value_in_any_field_is_read_or_refused_with_the_field(changes):
    try:
        request = Request.from_bytes(written(**changes))
    except (PeerRejectedError, InvalidRequestError):
        return
    assert request.to_bytes() == written(**changes)
    for text in (request.analyst, request.purpose, request.kind, request.mode):
        assert not any(unicodedata.category(sign)[0] == "C" for sign in text)


def test_messages_with_numbers_and_names_out_of_range_are_none():
    ask = Ask(request=b"{}", signature=bytes(64))
    for message in (
        AttemptRequest(ask=ask, round_number=-1, attempt=0, cohort=["a"]),
        AttemptRequest(ask=ask, round_number=0, attempt=2**31, cohort=["a"]),
        AttemptRequest(ask=ask, round_number=0, attempt=0, cohort=[]),
        AttemptRequest(ask=ask, round_number=0, attempt=0, cohort=["a\u202e"]),
        AttemptRequest(ask=ask, round_number=0, attempt=0, cohort=["a"] * 65),
        LedgerSince(number=-1),
        LedgerSince(number=2**63),
        Deal(session_id=bytes(65), request_hash=bytes(32), parties=["a"]),
        Deal(session_id=bytes(32), request_hash=bytes(32), parties=["A"]),
    ):
        with pytest.raises(PeerRejectedError):
            decode(encode(message))
    assert decode(encode(AttemptRequest(ask=ask, round_number=0, attempt=0, cohort=["a"])))


def test_no_site_signs_an_entry_with_a_hidden_character():
    """The attack: the site that orders writes the purpose, which then stands in every report."""
    world = World().found()
    basel = world.sites["basel"].replica.core
    for sign in HIDDEN[:-1]:
        for content in (an_exact(purpose=f"a{sign}b"), a_charge(analyst=f"a{sign}b")):
            assert not world.agree(content).entries
            body = Body(
                chain=basel.chain(),
                number=1,
                previous=world.head.replica.head_hash.hex(),
                time=world.now,
                cohort=world.names,
                content=content,
            )
            (refused,) = basel.judge([(b"", body)], admit_all).values()
            assert "does not print" in str(refused)
    assert world.agree(an_exact(purpose="Qualität")).entries


@pytest.mark.parametrize("sign", HIDDEN, ids=lambda sign: f"U+{ord(sign):04X}")
def test_no_name_of_a_member_or_of_the_schema_holds_a_hidden_character(sign):
    authority = Authority.create("trial")
    for name in (f"an{sign}na", f"anna{sign}"):
        with pytest.raises(ConfigError):
            authority.issue(name, "site")
        with pytest.raises(ConfigError):
            Authority.create(name)
    schema = tomllib.loads(SCHEMA)
    for old, new in (("visits", f"vis{sign}its"), ("age", f"a{sign}ge")):
        changed = json.loads(json.dumps(schema).replace(f'"{old}"', json.dumps(new)))
        with pytest.raises((ConfigError, SchemaError)):
            Schema.from_dict(changed)
