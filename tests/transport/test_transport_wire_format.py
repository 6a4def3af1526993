"""The tables of docs/wire-format.md against the code."""

import re
from pathlib import Path

import pytest

from smpc.transport.frames import (
    ABORT_BYTES,
    FRAME_VERSION,
    HEADER,
    HEADER_BYTES,
    LARGEST_LENGTH,
    LARGEST_OPERATION,
    MAGIC,
    TAG_BYTES,
    Header,
    Kind,
    encode_header,
)
from smpc.transport.hello import (
    HELLO_LIMIT,
    LEASE_BYTES,
    PROTOCOL_VERSION,
    PURPOSES,
    REFUSAL_TEXT,
    AbortCause,
    Hello,
    Lease,
    Refusal,
    encode_hello,
    encode_lease,
)
from smpc.transport.mesh import Step

PAGE = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")


def rows(first_column: str, section: str) -> list[list[str]]:
    """The rows of the one table of a section whose first column has this title."""
    body = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    text = next(part for part in body if part.startswith(section + "\n"))
    table = text[text.index(f"| {first_column} |") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()[2:]]


def numbers(first_column: str, section: str) -> dict[str, int]:
    return {row[0]: int(row[1], 0) for row in rows(first_column, section)}


@pytest.mark.parametrize(
    ("column", "section", "code"),
    [
        ("Kind", "Kinds", {kind.name: int(kind) for kind in Kind}),
        ("Step", "Steps", {step.name: int(step) for step in Step}),
        ("Purpose", "Hello", {name: place for place, name in enumerate(PURPOSES, 1)}),
        ("Refusal", "Refusal", {refusal.name: int(refusal) for refusal in Refusal}),
        ("Cause", "Abort", {cause.name: int(cause) for cause in AbortCause}),
    ],
    ids=["kinds", "steps", "purposes", "refusals", "causes"],
)
def test_every_number_of_the_code_stands_on_the_page(column: str, section: str, code: dict[str, int]) -> None:
    assert numbers(column, section) == code


def test_refusals_mean_what_the_page_says() -> None:
    meanings = {row[0]: row[2] for row in rows("Refusal", "Refusal")}
    assert meanings == {refusal.name: text for refusal, text in REFUSAL_TEXT.items()}


def test_a_header_has_the_fields_of_the_page() -> None:
    header = Header(kind=0x0102, tag=b"sessiont", sequence=0x0304, length=0x0506)
    data, place = encode_header(header), 0
    expected = {
        "magic": MAGIC,
        "version": FRAME_VERSION.to_bytes(2, "little"),
        "kind": header.kind.to_bytes(2, "little"),
        "tag": header.tag,
        "sequence": header.sequence.to_bytes(8, "little"),
        "length": header.length.to_bytes(8, "little"),
    }
    for name, offset, size, _ in rows("Field", "Frame"):
        assert place == int(offset)
        place += int(size)
        assert data[int(offset) : place] == expected.pop(name)
    assert not expected
    assert place == HEADER_BYTES == HEADER.size
    assert MAGIC == b"XWRD"
    assert FRAME_VERSION == PROTOCOL_VERSION == 1
    assert (LARGEST_LENGTH, LARGEST_OPERATION, TAG_BYTES) == (1 << 40, 0x7FFF, 8)


def test_hello_and_lease_have_the_fields_of_the_page() -> None:
    hello = encode_hello(Hello(sender="abc", recipient="de", purpose="data", configuration=b"c" * 32))
    offsets = {row[0]: row[1] for row in rows("Field", "Hello")}
    assert list(offsets) == ["version", "purpose", "configuration", "sender", "recipient"]
    assert hello[int(offsets["purpose"])] == 4
    assert hello[int(offsets["configuration"]) :][:32] == b"c" * 32
    assert hello[int(offsets["sender"]) :] == b"\x03abc\x02de"
    lease = Lease(session_id=b"s" * 32, request_hash=b"r" * 32, configuration=b"c" * 32)
    data = encode_lease(lease)
    for name, offset, size in rows("Field", "Lease"):
        assert data[int(offset) : int(offset) + int(size)] == getattr(lease, name)
    assert len(data) == LEASE_BYTES == 96
    sizes = {row[0]: row[2] for row in rows("Kind", "Kinds")}
    assert f"at most {HELLO_LIMIT} bytes" in sizes["HELLO"]
    assert f"at most {ABORT_BYTES} bytes" in sizes["ABORT"]
