"""Ledger bytes: fixed vectors, and refusal of every form that the program does not write."""

import dataclasses
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting.budget import PopulationBudget, SubBudget, allowance_units
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.events import Relation
from privacy_accounting.ledger.canonical_json import MAX_INTEGER, decode, encode
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.contents import (
    BudgetChange,
    Cancel,
    Charge,
    Exact,
    Genesis,
    MembersChange,
    Request,
    Snapshot,
)
from privacy_accounting.ledger.entries import (
    MAX_BODY_BYTES,
    Body,
    Entry,
    body_hash,
    body_signature_holds,
    public_hex,
    sign_body,
)
from privacy_accounting.ledger.messages import (
    Complete,
    PendingProposal,
    Proposal,
    Refused,
    Signed,
    Waiting,
    Withdrawal,
)
from privacy_accounting.ledger.refusal import Refusal
from privacy_accounting.ledger.session_id import session_id_of_entry
from tests.ledger.ledger_world import key_of

ASKED = Request(
    population="cardiology",
    analyst="ada",
    purpose="triage",
    request="ab" * 32,
    nonce="0123456789abcdef0123456789abcdef",
    request_signature="cd" * 64,
)
TRAINING = dataclasses.replace(ASKED, run="heart-7", round=3, attempt=1)
EVENT = '{"count":3,"mechanism":"gaussian","noise_multiplier":"1.1"}'
CHARGE = Charge(
    asked=ASKED,
    sub_budget="query",
    events=(EVENT,),
    order=Fraction(13),
    cost=17720000000000,
    cost_all_but_one=35440000000000,
    pure_epsilon=2**62,
)
SHARE = Fraction(1, 2)
BUDGET = PopulationBudget(
    epsilon=Fraction(4),
    delta=Fraction(1, 10**6),
    sub_budgets={
        "query": SubBudget(
            share=SHARE,
            epsilon=SHARE * 4,
            delta=SHARE / 10**6,
            order=Fraction(13),
            allowance=allowance_units(SHARE * 4, SHARE / 10**6, Fraction(13)),
        )
    },
    purpose_caps={"*": Fraction(1, 2)},
    analyst_caps={"ada": Fraction(1, 4)},
)
GENESIS = Genesis(
    consortium="c0" * 32,
    members={name: public_hex(key_of(name)) for name in ("ankara", "basel", "cairo")},
    sequencer="ankara",
    relation=Relation.ADD_OR_REMOVE_ONE,
    delta=Fraction(1, 10**6),
    colluding=1,
    populations={"cardiology": BUDGET},
)
CONTENTS = {
    "genesis": GENESIS,
    "charge": CHARGE,
    "training": dataclasses.replace(CHARGE, asked=TRAINING),
    "exact": Exact(asked=ASKED, receivers=("ada",)),
    "cancel": Cancel(entry=4, entry_hash="ef" * 32),
    "budget": BudgetChange(population="oncology", budget=BUDGET),
    "order": OrderChange(
        population="cardiology",
        sub_budget="query",
        order=Fraction("7.2"),
        allowance=1000,
        purposes={"triage": 5},
        analysts={"ada": 5},
    ),
    "members": MembersChange(change="add", name="delhi", key=public_hex(key_of("delhi")), sequencer="ankara"),
    "role": RoleChange(
        change="add", role="analyst", name="eva", key=public_hex(key_of("eva")), cap=Fraction(1, 4)
    ),
    "table": TableVersion(table="visits", version=2),
    "agreement": AgreementChange(before="c0" * 32, terms='{"minimum_cell":12}'),
    "snapshot": Snapshot(entries=7, root="aa" * 32, state="bb" * 32),
}


def body_of(kind):
    first = kind == "genesis"
    return Body(
        chain="c0" * 32,
        number=0 if first else 7,
        previous="00" * 32 if first else "11" * 32,
        time=0 if first else 1_700_000_000,
        cohort=("ankara", "basel", "cairo"),
        content=CONTENTS[kind],
    )


GOLDEN_CHARGE = (
    b'{"analyst":"ada","attempt":0,"chain":"' + b"c0" * 32 + b'","cohort":["ankara","basel","cairo"],'
    b'"cost":17720000000000,"cost_all_but_one":35440000000000,"events":['
    + EVENT.encode()
    + b'],"kind":"charge",'
    b'"nonce":"0123456789abcdef0123456789abcdef","number":7,"order":"13","population":"cardiology","previous":"'
    + b"11" * 32
    + b'","pure_epsilon":4611686018427387904,"purpose":"triage","request":"'
    + b"ab" * 32
    + b'","request_signature":"'
    + b"cd" * 64
    + b'","round":0,"run":"","sub_budget":"query","time":1700000000,"version":1}'
)
# Changing one of these changes the format: raise the version and keep reading the old one.
GOLDEN_HASHES = {
    "genesis": "a407f620640b7d1bb3d38189c8a61c6257169037447d3410b4921a4ace264fbe",
    "charge": "fbd597d4f69e1d763721be587d93589514ba3512955398a029d8c23ac74ca897",
    "training": "266307e99cf88970135d38b6582306e80999dccb7abc5a90b806d7fb57900f39",
    "exact": "f901c5eac70a8027a8874fb0235632223519cb4f0b4379fc9a12c261da826968",
    "cancel": "84657b0be31032b330a4f9769acd516f07471c229c113e80534c9e5d3d759286",
    "budget": "2dc91863673ff5e9569d9a00f0a6a7508d9ec7fb37b12ebd6f1d885303e4dc8c",
    "order": "54a66db3a6dc352c669545b253623211d478d59b6d8fa8ab97cd1bf47885cc2d",
    "members": "3316308c85ce4a6a7e44c09f4cf7570a97bdcc81e1d372598be52c639c9aaefe",
    "role": "2dd86fe4d1d04c9a85f9c44b2f8a8c345746bb311cca7df4ef16a7a5a6d1b00a",
    "table": "6e867ff0236321a17fab4b5346326385bb53c9d0058cb356afe6e318bc1b567e",
    "agreement": "266b558be18687f3679d597ab7cb2d79d91e09b3a0ce853d92e51d70576bd388",
    "snapshot": "0a9b8860e1f72f0159296d4c0ed3964ea73bb012ce8ca141d9f1e089c5379fb1",
}
GOLDEN_SESSIONS = {
    "charge": "b67c74257f00c5620d010cc50497b9fe90e0b9ed31ce79ba49a0bea181104d07",
    "training": "e30dd6f0cc30a844aee4d917f17827c89218676de9154f68b43aa70d89a353a7",
    "exact": "a21b8f5ef4f4b9a8b0937235b16cd6f03675a2db4ffb6cd3d78134502d201b93",
}
GOLDEN_SIGNATURE = (
    "c1d390954184b15b9ee7f2d422373bf8faf6f114f904380db7390715d28c1dbc"
    "018c35a66bf4e1ad992b188d990f7897cb592d7a36248d51340b21d047f8ad0e"
)


def test_p2_bytes_of_a_charge_are_fixed():
    assert body_of("charge").to_bytes() == GOLDEN_CHARGE


@pytest.mark.parametrize("kind", sorted(CONTENTS))
def test_p2_hash_of_each_kind_is_fixed(kind):
    assert body_hash(body_of(kind).to_bytes()).hex() == GOLDEN_HASHES[kind]


@pytest.mark.parametrize("kind", ["charge", "training", "exact"])
def test_p1_session_ids_are_fixed(kind):
    assert session_id_of_entry(body_of(kind)).hex() == GOLDEN_SESSIONS[kind]


def test_signature_is_fixed_and_is_over_the_tag():
    hashed = body_hash(GOLDEN_CHARGE)
    signature = sign_body(key_of("ankara"), hashed)
    assert signature.hex() == GOLDEN_SIGNATURE
    assert body_signature_holds(public_hex(key_of("ankara")), hashed, signature)
    assert not body_signature_holds(public_hex(key_of("basel")), hashed, signature)
    assert not body_signature_holds(public_hex(key_of("ankara")), body_hash(b"{}"), signature)
    assert not body_signature_holds(public_hex(key_of("ankara")), hashed, key_of("ankara").sign(hashed))
    assert not body_signature_holds("00", hashed, signature)


@pytest.mark.parametrize("kind", sorted(CONTENTS))
def test_every_kind_reads_back_the_same(kind):
    body = body_of(kind)
    again = Body.from_bytes(body.to_bytes())
    assert again == body
    assert again.kind == {"training": "charge"}.get(kind, kind)


def test_numbers_of_an_exact_disclosure_are_written_where_there_are_any():
    """Entries from before they were counted keep their bytes; 0 has one spelling."""
    body = dataclasses.replace(body_of("exact"), content=dataclasses.replace(CONTENTS["exact"], numbers=12))
    assert Body.from_bytes(body.to_bytes()) == body
    fields = json.loads(body.to_bytes())
    assert fields.pop("numbers") == 12
    assert encode(fields) == body_of("exact").to_bytes()
    for wrong in (0, -1, "12", True, None):
        with pytest.raises(LedgerRefusedError):
            Body.from_bytes(encode(fields | {"numbers": wrong}))


@pytest.mark.parametrize("kind", sorted(CONTENTS))
def test_a_missing_or_unknown_or_mistyped_field_is_refused(kind):
    fields = json.loads(body_of(kind).to_bytes())
    for name in fields:
        with pytest.raises(LedgerRefusedError):
            Body.from_bytes(encode({k: v for k, v in fields.items() if k != name}))
        wrong = ["x"] if isinstance(fields[name], int | dict) else 5
        with pytest.raises(LedgerRefusedError):
            Body.from_bytes(encode({**fields, name: wrong}))
    with pytest.raises(LedgerRefusedError):
        Body.from_bytes(encode({**fields, "extra": 1}))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b" " + d,
        lambda d: d + b"\n",
        lambda d: d.replace(b'"number":7', b'"number": 7'),
        lambda d: d.replace(b'"number":7', b'"number":7.0'),
        lambda d: d.replace(b'"number":7', b'"number":7e0'),
        lambda d: d.replace(b'"number":7', b'"number":07'),
        lambda d: d.replace(b'"number":7', b'"number":-7'),
        lambda d: d.replace(b'"number":7', b'"number":true'),
        lambda d: d.replace(b'"number":7', b'"number":null'),
        lambda d: d.replace(b'"number":7', b'"number":NaN'),
        lambda d: d.replace(b'"number":7', b'"number":9223372036854775808'),
        lambda d: d.replace(b'"number":7', b'"number":7,"number":7'),
        lambda d: d.replace(b'"version":1', b'"version":2'),
        lambda d: d.replace(b'"kind":"charge"', b'"kind":"gift"'),
        lambda d: d.replace(b'"ada"', b'"\\u0061da"'),
        lambda d: d.replace(b'"ada"', '"åda"'.encode()),
        lambda d: d.replace(b'"ada"', b'"a\\u0000a"'),
        lambda d: d.replace(b'"ada"', b'"\\ud800"'),
        lambda d: d.replace(b'"ada"', b'""'),
        lambda d: d.replace(b'"ab' + b"ab" * 31, b'"AB' + b"ab" * 31),
        lambda d: d.replace(b'["ankara","basel","cairo"]', b'["basel","ankara","cairo"]'),
        lambda d: d.replace(b'["ankara","basel","cairo"]', b'["ankara","ankara","cairo"]'),
        lambda d: d.replace(b'["ankara","basel","cairo"]', b"[]"),
        lambda d: d.replace(b'"order":"13"', b'"order":"13.0"'),
        lambda d: d.replace(b'"order":"13"', b'"order":"1e1"'),
        lambda d: d.replace(b'"noise_multiplier":"1.1"', b'"noise_multiplier":"1.10"'),
        lambda d: d.replace(b'"mechanism":"gaussian"', b'"mechanism":"magic"'),
        lambda d: d.replace(b"[" + EVENT.encode() + b"]", b"[]"),
        lambda d: d.replace(b'"cost":17720000000000', b'"cost":0'),
        lambda d: d.replace(b'"cost":17720000000000', b'"cost":4611686018427387904'),
        lambda d: b"[" * 60_000,
        lambda d: b"[]",
        lambda d: b"",
        lambda d: d + b" " * MAX_BODY_BYTES,
    ],
    ids=[str(n) for n in range(34)],
)
def test_another_spelling_is_refused(change):
    data = change(GOLDEN_CHARGE)
    assert data != GOLDEN_CHARGE
    with pytest.raises(LedgerRefusedError):
        Body.from_bytes(data)


def test_a_body_above_64_kib_is_not_written():
    huge = dataclasses.replace(CHARGE, events=(EVENT,) * 2_000)
    with pytest.raises(LedgerRefusedError):
        dataclasses.replace(body_of("charge"), content=huge).to_bytes()


def test_p4_a_budget_that_promises_too_much_cannot_be_read():
    data = body_of("genesis").to_bytes()
    allowance = BUDGET.sub_budgets["query"].allowance
    with pytest.raises(LedgerRefusedError):
        Body.from_bytes(data.replace(b"%d" % allowance, b"%d" % (allowance + 1)))
    assert Body.from_bytes(data.replace(b"%d" % allowance, b"%d" % (allowance - 1)))


def test_one_body_one_session_and_round_and_attempt_count():
    base = body_of("training")
    seen = {session_id_of_entry(base), session_id_of_entry(body_of("charge"))}
    for change in ({"round": 4}, {"attempt": 2}, {"run": "heart-8"}, {"nonce": "00" * 16}):
        asked = dataclasses.replace(TRAINING, **change)
        seen.add(
            session_id_of_entry(dataclasses.replace(base, content=dataclasses.replace(CHARGE, asked=asked)))
        )
    assert len(seen) == 6
    with pytest.raises(LedgerRefusedError):
        session_id_of_entry(body_of("cancel"))


values = st.recursive(
    st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abxyz", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abxyz", max_size=4), values, max_size=5))
def test_law_decode_undoes_encode(value):
    assert decode(encode(value), limit=1 << 20) == value


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_law_any_bytes_are_refused_or_canonical(data):
    try:
        value = decode(data, limit=1 << 20)
    except LedgerRefusedError:
        return
    assert encode(value) == data


@given(st.integers(0, len(GOLDEN_CHARGE) - 1), st.integers(0, 255))
def test_law_a_changed_byte_changes_the_hash_or_is_refused(at, byte):
    data = GOLDEN_CHARGE[:at] + bytes([byte]) + GOLDEN_CHARGE[at + 1 :]
    try:
        body = Body.from_bytes(data)
    except AccountingError:
        return
    assert body.to_bytes() == data
    assert (body_hash(data) == body_hash(GOLDEN_CHARGE)) == (data == GOLDEN_CHARGE)


@pytest.mark.parametrize(
    "value", [1.5, None, True, b"x", {1: 2}, {"a": {"b": float("nan")}}, "\x07", [2**63]]
)
def test_values_without_canonical_form_are_refused(value):
    with pytest.raises(LedgerRefusedError):
        encode(value)


COMMON = {"chain": "c0" * 32, "number": 7, "ballot": 2, "sender": "ankara"}
MESSAGES = [
    Proposal(**COMMON, bodies=(GOLDEN_CHARGE,)),
    Signed(**COMMON, proposal="aa" * 32, signatures=("cd" * 64, "")),
    Refused(
        **COMMON,
        proposal="aa" * 32,
        refusals=(Refusal(entry=0, code="PolicyRefusedError", fields={"rule": "r"}),),
    ),
    Waiting(
        **COMMON,
        proposal="aa" * 32,
        head=-1,
        highest_ballot=-1,
        doubts=(PendingProposal(number=7, ballot=1, proposal="bb" * 32),),
    ),
    Withdrawal(**COMMON, proposal="aa" * 32, reason="no answer from cairo"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.TYPE)
def test_messages_read_back_and_carry_a_signature_of_their_sender(message):
    signed = message.signed_by(key_of("ankara"))
    again = type(message).from_bytes(signed.to_bytes())
    assert again == signed
    assert again.holds(public_hex(key_of("ankara")))
    assert not again.holds(public_hex(key_of("basel")))
    assert not dataclasses.replace(again, ballot=3).holds(public_hex(key_of("ankara")))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.TYPE)
def test_messages_are_strict(message):
    fields = json.loads(message.signed_by(key_of("ankara")).to_bytes())
    for name in fields:
        with pytest.raises(LedgerRefusedError):
            type(message).from_bytes(encode({k: v for k, v in fields.items() if k != name}))
    with pytest.raises(LedgerRefusedError):
        type(message).from_bytes(encode({**fields, "extra": ""}))
    for other in MESSAGES:
        if type(other) is not type(message):
            with pytest.raises(LedgerRefusedError):
                type(other).from_bytes(encode(fields))


def test_entries_and_complete_messages_read_back():
    body = body_of("charge")
    entry = Entry(data=GOLDEN_CHARGE, body=body, signatures={"ankara": b"\x01" * 64})
    assert Entry.from_bytes(entry.to_bytes()) == entry
    complete = Complete(entries=(entry.to_bytes(),))
    assert Complete.from_bytes(complete.to_bytes()) == complete
    with pytest.raises(LedgerRefusedError):
        Complete.from_bytes(encode({"type": "complete", "version": 1, "entries": []}))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_bytes_that_are_kept_are_those_that_the_fields_give(message):
    data = message.signed_by(key_of("ankara")).to_bytes()
    read = type(message).from_bytes(data)
    assert dataclasses.replace(read, ballot=read.ballot).to_bytes() == data
    other = dataclasses.replace(read, ballot=read.ballot + 1)
    assert other.to_bytes() != data
    assert not other.holds(public_hex(key_of("ankara")))


def test_a_changed_copy_of_a_read_entry_keeps_none_of_its_bytes():
    read = Entry.from_bytes(
        Entry(data=GOLDEN_CHARGE, body=body_of("charge"), signatures={"ankara": b"\x01" * 64}).to_bytes()
    )
    later = dataclasses.replace(read.body, time=read.body.time + 1)
    assert later.to_bytes() != read.body.to_bytes() == GOLDEN_CHARGE
    resigned = dataclasses.replace(read, signatures={"ankara": b"\x02" * 64})
    assert resigned.to_bytes() != read.to_bytes()
    assert dataclasses.replace(read, data=later.to_bytes(), body=later).hash != read.hash
    with pytest.raises(TypeError):
        read.signatures["ankara"] = b"\x02" * 64


def test_another_spelling_is_refused_after_the_canonical_one_was_read():
    data = Entry(data=GOLDEN_CHARGE, body=body_of("charge"), signatures={"ankara": b"\x01" * 64}).to_bytes()
    for read, canonical in ((Body.from_bytes, GOLDEN_CHARGE), (Entry.from_bytes, data)):
        assert read(canonical)
        for spelled in (
            canonical + b" ",
            canonical.replace(b":", b": ", 1),
            canonical.replace(b"{", b"{ ", 1),
        ):
            with pytest.raises(LedgerRefusedError):
                read(spelled)


if __name__ == "__main__":  # prints the vectors anew after a change of version
    print({kind: body_hash(body_of(kind).to_bytes()).hex() for kind in CONTENTS})
    print({kind: session_id_of_entry(body_of(kind)).hex() for kind in ("charge", "training", "exact")})
    print(sign_body(key_of("ankara"), body_hash(GOLDEN_CHARGE)).hex())
