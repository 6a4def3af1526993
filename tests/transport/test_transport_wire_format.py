"""Every table of docs/wire-format.md equals the enumerations and layouts of the code."""

import re
import struct
from pathlib import Path

import pytest

from smpc.transport.connecting import endpoint
from smpc.transport.mesh import Step
from smpc.transport.wire import frames, handshake, peer_identity
from smpc.transport.wire.frames import Header, Kind, encode_header, session_tag
from smpc.transport.wire.handshake import (
    PURPOSES,
    REFUSAL_TEXT,
    AbortCause,
    Hello,
    Lease,
    Refusal,
    encode_abort,
    encode_hello,
    encode_lease,
    encode_refusal,
)

PAGE = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")


def tables():
    """Every table of the page by the first two titles of its head, as rows of cells."""
    found = {}
    for block in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE):
        head, _, *rows = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        )
        found.setdefault(tuple(head[:3]), []).append(rows)
    return found


def layouts():
    return tables()["offset", "bytes", "field"]


def test_header_layout():
    data = encode_header(Header(kind=0x0102, tag=b"sessions", sequence=0x0304, length=0x0506))
    fields = {"magic": b"XWRD", "version": b"\1\0", "kind": b"\2\1", "tag": b"sessions"}
    fields |= {"sequence": b"\4\3" + bytes(6), "length": b"\6\5" + bytes(6)}
    place = 0
    for offset, size, name, _ in layouts()[0]:
        assert int(offset) == place
        assert data[place : place + int(size)] == fields.pop(name)
        place += int(size)
    assert place == frames.HEADER_BYTES == struct.calcsize(frames.HEADER.format)
    assert not fields
    assert frames.LARGEST_LENGTH == 1 << 40


def test_hello_layout():
    data = encode_hello(
        Hello(sender="ab", recipient="xyz", purpose="ledger", configuration=b"c" * 32, program=b"p" * 8)
    )
    rows = {name: (offset, size) for offset, size, name, _ in layouts()[1]}
    assert rows == {
        "version": ("0", "2"),
        "purpose": ("2", "1"),
        "configuration": ("3", "32"),
        "program": ("35", "8"),
        "sender": ("43", "1 + n"),
        "recipient": ("44 + n", "1 + m"),
    }
    assert data == b"\4\0" + b"\3" + b"c" * 32 + b"p" * 8 + b"\2ab" + b"\3xyz"
    assert f"at most {handshake.HELLO_LIMIT} bytes" in PAGE


def test_lease_layout():
    data = encode_lease(Lease(session_id=b"s" * 32, request_hash=b"r" * 32, configuration=b"c" * 32))
    for offset, size, name, _ in layouts()[2]:
        assert data[int(offset) : int(offset) + int(size)] == name[:1].encode() * 32
    assert len(data) == 96


def test_steps():
    rows = {name: int(number) for number, name, _ in tables()["kind", "step", "what is exchanged"][0]}
    assert rows == {step.name: step.value for step in Step}


def test_transport_kinds():
    rows = {name: int(number, 16) for number, name, _ in tables()["kind", "name", "payload"][0]}
    assert rows == {kind.name: kind.value for kind in Kind}
    assert set(rows.values()) == frames.TRANSPORT_KINDS
    assert frames.ABORT_BYTES == 1 + 63 == 64


def test_purposes_and_who_may_dial():
    rows = tables()["purpose", "number", "what for"][0]
    assert [(name, int(number)) for name, number, *_ in rows] == [(p, n + 1) for n, p in enumerate(PURPOSES)]
    for name, _, _, callers in rows:
        wanted = (
            set(peer_identity.ROLES) if callers == "everybody of the roster" else set(callers.split(", "))
        )
        assert endpoint.CALLERS[name] == wanted
    assert all(f"`{role}`" in PAGE for role in peer_identity.ROLES)


def test_refusals():
    rows = {(int(code), name): why for code, name, why in tables()["code", "name", "why"][0]}
    assert rows == {(one.value, one.name): REFUSAL_TEXT[one] for one in Refusal}
    assert encode_refusal(Refusal.REQUEST) == b"\6"


def test_abort_causes():
    rows = {int(code): name for code, name, _ in tables()["code", "cause", "when"][0]}
    assert rows == {cause.value: cause.name for cause in AbortCause}
    assert encode_abort(AbortCause.LOST, "basel") == b"\1basel"


def test_tag_prefix():
    assert '`SHA-256("crossward/frames/1" + session id)`' in PAGE
    assert session_tag(b"x" * 32).hex() == "888ca541b68a7023"


@pytest.mark.parametrize("name", ["frames", "handshake"])
def test_the_page_names_the_code(name):
    assert f"smpc/transport/wire/{name}.py" in PAGE
