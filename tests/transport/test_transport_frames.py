"""The frame codec and its reader against an oracle written with int.to_bytes, and against hostile bytes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.errors import PeerRejectedError
from smpc.transport.wire.frames import (
    ABORT_BYTES,
    FIRST_BYTES,
    HEADER_BYTES,
    LARGEST_LENGTH,
    LARGEST_OPERATION,
    NO_SESSION,
    TRANSPORT_KINDS,
    Expectation,
    FrameReader,
    Header,
    Kind,
    decode_header,
    encode_header,
    session_tag,
)

KINDS = st.one_of(st.integers(0, LARGEST_OPERATION), st.sampled_from(sorted(TRANSPORT_KINDS)))
HEADERS = st.builds(
    Header,
    kind=KINDS,
    tag=st.binary(min_size=8, max_size=8),
    sequence=st.integers(0, 2**64 - 1),
    length=st.integers(0, LARGEST_LENGTH),
)


def oracle(header: Header) -> bytes:
    parts = [(1, 2), (header.kind, 2)]
    head = b"XWRD" + b"".join(value.to_bytes(size, "little") for value, size in parts)
    return head + header.tag + header.sequence.to_bytes(8, "little") + header.length.to_bytes(8, "little")


def frame(payload: bytes, *, kind: int = 3, sequence: int = 0, tag: bytes = NO_SESSION) -> bytes:
    return oracle(Header(kind=kind, tag=tag, sequence=sequence, length=len(payload))) + payload


def expecting(length: int | None = None, *, limit: int = 0, kinds: tuple[int, ...] = (3,)) -> Expectation:
    return Expectation(kinds=frozenset(kinds), tag=NO_SESSION, sequence=0, length=length, limit=limit)


@given(HEADERS)
def test_header_has_the_documented_bytes_and_comes_back(header: Header) -> None:
    data = encode_header(header)
    assert data == oracle(header)
    assert decode_header(data) == header


@given(st.binary(max_size=64))
def test_any_bytes_are_a_header_or_are_rejected(data: bytes) -> None:
    try:
        header = decode_header(data)
    except PeerRejectedError:
        return
    assert encode_header(header) == data


@given(HEADERS, st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_changed_byte_is_rejected_or_read_as_written(header: Header, place: int, change: int) -> None:
    data = bytearray(encode_header(header))
    data[place] ^= change
    try:
        read = decode_header(data)
    except PeerRejectedError:
        return
    assert read != header
    assert encode_header(read) == bytes(data)
    assert place >= 6, "magic and version admit no other byte"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", -1),
        ("kind", LARGEST_OPERATION + 1),
        ("kind", 0x800A),
        ("tag", b"short"),
        ("sequence", -1),
        ("sequence", 2**64),
        ("length", -1),
        ("length", LARGEST_LENGTH + 1),
    ],
)
def test_a_header_that_the_wire_cannot_say_is_refused(field: str, value: object) -> None:
    good = {"kind": 1, "tag": NO_SESSION, "sequence": 0, "length": 0}
    with pytest.raises(PeerRejectedError):
        Header(**(good | {field: value}))  # type: ignore[arg-type]


def test_session_tag_is_the_documented_digest_and_differs_from_no_session() -> None:
    session_id = bytes(range(32))
    assert session_tag(session_id) == hashlib.sha256(b"crossward/frames/1" + session_id).digest()[:8]
    assert session_tag(bytes(32)) != NO_SESSION


@given(st.binary(max_size=200), st.binary(max_size=40), st.lists(st.integers(1, 50), max_size=20))
def test_cut_or_whole_the_outcome_is_the_same(payload: bytes, tail: bytes, cuts: list[int]) -> None:
    data = frame(payload) + tail
    reader = FrameReader(expecting(len(payload)))
    taken, cuts_left = 0, iter(cuts)
    while taken < len(data) and reader.is_waiting:
        size = next(cuts_left, len(data))
        taken += reader.feed(data[taken : taken + size])
    assert taken == HEADER_BYTES + len(payload), "not one byte of the next frame is taken"
    assert reader.is_complete
    assert reader.payload == payload


@given(st.binary(max_size=120))
def test_the_reader_accepts_the_expected_frame_or_rejects(data: bytes) -> None:
    reader = FrameReader(expecting(4))
    try:
        reader.feed(data)
    except PeerRejectedError:
        return
    assert reader.is_waiting or reader.payload == data[HEADER_BYTES : HEADER_BYTES + 4]


@pytest.mark.parametrize(
    "data",
    [
        frame(b"1234", kind=4),
        frame(b"1234", sequence=1),
        frame(b"1234", tag=b"another!"),
        frame(b"123"),
        frame(b"12345"),
        frame(b"1234", kind=Kind.ABORT),
        frame(b"1234", kind=Kind.REFUSAL),
    ],
)
def test_another_frame_than_the_expected_one_is_rejected(data: bytes) -> None:
    with pytest.raises(PeerRejectedError):
        FrameReader(expecting(4)).feed(data)


def test_no_memory_is_taken_for_a_length_that_was_not_expected() -> None:
    header = encode_header(Header(kind=3, tag=NO_SESSION, sequence=0, length=LARGEST_LENGTH))
    for expectation in (expecting(4), expecting(limit=1 << 20)):
        reader = FrameReader(expectation)
        with pytest.raises(PeerRejectedError):
            reader.feed(header)
        assert len(reader.space()) == 0
    open_reader = FrameReader(None)
    open_reader.feed(header)
    assert open_reader.held is not None
    assert len(open_reader.space()) == 0


def test_a_message_may_have_any_length_up_to_its_limit() -> None:
    for size in (0, 7):
        reader = FrameReader(expecting(limit=7))
        reader.feed(frame(bytes(size)))
        assert reader.is_complete
    with pytest.raises(PeerRejectedError):
        FrameReader(expecting(limit=7)).feed(frame(bytes(8)))


def test_an_abort_where_it_is_allowed_needs_no_sequence_but_is_short() -> None:
    expectation = expecting(4, kinds=(3, Kind.ABORT))
    reader = FrameReader(expectation)
    reader.feed(frame(b"\x01site", kind=Kind.ABORT, sequence=99))
    assert reader.payload == b"\x01site"
    with pytest.raises(PeerRejectedError):
        FrameReader(expectation).feed(frame(bytes(ABORT_BYTES + 1), kind=Kind.ABORT))
    end = expecting(4, kinds=(3, Kind.END))
    with pytest.raises(PeerRejectedError):
        FrameReader(end).feed(frame(b"1234", kind=Kind.END))


def test_a_held_header_is_checked_when_something_is_expected() -> None:
    reader = FrameReader(None)
    assert reader.feed(frame(b"1234")) == HEADER_BYTES
    assert reader.is_open
    reader.expect(expecting(4))
    assert reader.feed(b"1234") == 4
    assert reader.payload == b"1234"
    with pytest.raises(PeerRejectedError):
        reader.expect(expecting(4))
    other = FrameReader(None)
    other.feed(frame(b"1234", kind=4))
    with pytest.raises(PeerRejectedError):
        other.expect(expecting(4))


@given(st.integers(1, 1 << 40), st.integers(0, 100_000))
def test_memory_grows_with_received_bytes_not_the_announced_length(length: int, n_arrived: int) -> None:
    reader = FrameReader(expecting(length))
    header = encode_header(Header(kind=3, tag=NO_SESSION, sequence=0, length=length))
    reader.feed(header + bytes(min(length, n_arrived)))
    assert reader.n_held <= max(FIRST_BYTES, 2 * min(length, n_arrived))


@pytest.mark.parametrize("length", [0, 1, FIRST_BYTES, FIRST_BYTES + 1, 5 * FIRST_BYTES + 3])
def test_a_payload_of_any_size_comes_out_as_it_went_in(length: int) -> None:
    payload = bytes(at % 251 for at in range(length))
    reader = FrameReader(expecting(length))
    assert reader.feed(frame(payload) + b"next") == HEADER_BYTES + length
    assert reader.payload == payload
    assert reader.n_held == length
