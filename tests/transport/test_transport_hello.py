"""Greetings, leases, refusals and aborts have one reading each, or are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.errors import PeerRejectedError
from smpc.transport.wire.frames import ABORT_BYTES
from smpc.transport.wire.handshake import (
    HELLO_LIMIT,
    PURPOSES,
    AbortCause,
    Hello,
    Lease,
    Refusal,
    check_name,
    decode_abort,
    decode_hello,
    decode_lease,
    decode_refusal,
    encode_abort,
    encode_hello,
    encode_lease,
    encode_refusal,
)

NAMES = st.from_regex(r"\A[a-z][a-z0-9_-]{0,62}\Z")
DIGESTS = st.binary(min_size=32, max_size=32)
HELLOS = st.builds(
    Hello,
    sender=NAMES,
    recipient=NAMES,
    purpose=st.sampled_from(PURPOSES),
    configuration=DIGESTS,
    program=st.binary(min_size=8, max_size=8),
    version=st.integers(0, 2**16 - 1),
)
LEASES = st.builds(Lease, session_id=DIGESTS, request_hash=DIGESTS, configuration=DIGESTS)


@given(HELLOS)
def test_hello_has_the_documented_bytes_and_comes_back(hello: Hello) -> None:
    data = encode_hello(hello)
    head = hello.version.to_bytes(2, "little") + bytes([1 + PURPOSES.index(hello.purpose)])
    names = b"".join(bytes([len(name)]) + name.encode() for name in (hello.sender, hello.recipient))
    assert data == head + hello.configuration + hello.program + names
    assert len(data) <= HELLO_LIMIT
    assert decode_hello(data) == hello


@given(HELLOS, st.data())
def test_a_cut_lengthened_or_changed_hello_has_one_reading_or_none(hello: Hello, data: st.DataObject) -> None:
    whole = bytearray(encode_hello(hello))
    for bad in (bytes(whole[: data.draw(st.integers(0, len(whole) - 1))]), bytes(whole) + b"\x00"):
        with pytest.raises(PeerRejectedError):
            decode_hello(bad)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = decode_hello(bytes(whole))
    except PeerRejectedError:
        return
    assert encode_hello(read) == bytes(whole)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_back_as_they_were_or_rejected(data: bytes) -> None:
    readings = 0
    for decode, encode in (
        (decode_hello, encode_hello),
        (decode_lease, encode_lease),
        (decode_refusal, encode_refusal),
        (decode_abort, lambda pair: encode_abort(*pair)),
    ):
        try:
            value = decode(data)
        except PeerRejectedError:
            continue
        readings += 1
        assert encode(value) == data
    assert readings <= 1


@given(LEASES)
def test_lease_is_three_digests_in_order(lease: Lease) -> None:
    data = encode_lease(lease)
    assert data == lease.session_id + lease.request_hash + lease.configuration
    assert decode_lease(data) == lease
    for bad in (data[:-1], data + b"\x00", b""):
        with pytest.raises(PeerRejectedError):
            decode_lease(bad)


@given(st.sampled_from(sorted(AbortCause)), NAMES)
def test_abort_is_a_cause_and_a_name_and_fits_its_limit(cause: AbortCause, name: str) -> None:
    data = encode_abort(cause, name)
    assert data == bytes([cause]) + name.encode()
    assert len(data) <= ABORT_BYTES
    assert decode_abort(data) == (cause, name)


@pytest.mark.parametrize(
    "data", [b"", b"\x00site", b"\x04site", b"\x01", b"\x01Site", b"\x01\xc3\xa9", b"\x01a b"]
)
def test_a_malformed_abort_is_rejected(data: bytes) -> None:
    with pytest.raises(PeerRejectedError):
        decode_abort(data)


def test_every_refusal_is_one_byte_and_no_other_byte_is_one() -> None:
    read = set()
    for byte in range(256):
        try:
            read.add(decode_refusal(bytes([byte])))
        except PeerRejectedError:
            continue
    assert read == set(Refusal)
    for bad in (b"", b"\x01\x01"):
        with pytest.raises(PeerRejectedError):
            decode_refusal(bad)


@pytest.mark.parametrize("name", ["", "A", "1a", "a" * 64, "a b", "a\n", "é", "a.b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(PeerRejectedError):
        check_name(name)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "other"},
        {"configuration": b"short"},
        {"program": b"short"},
        {"version": 1 << 16},
        {"version": -1},
        {"sender": "X"},
    ],
)
def test_a_hello_that_the_wire_cannot_say_is_refused(change: dict[str, object]) -> None:
    good = {"sender": "a", "recipient": "b", "purpose": "data", "configuration": bytes(32)}
    good["program"] = bytes(8)
    with pytest.raises(PeerRejectedError):
        Hello(**(good | change))  # type: ignore[arg-type]
    with pytest.raises(PeerRejectedError):
        Lease(session_id=bytes(31), request_hash=bytes(32), configuration=bytes(32))
