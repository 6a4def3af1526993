"""An export as JSON lines: signatures cover entries, and the last line covers all lines."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.export import export_lines, import_lines
from privacy_accounting.ledger.storage.store import Table
from tests.ledger.ledger_world import World, copy_of
from tests.ledger.storage.test_ledger_checkpoint import a_history


@pytest.fixture(scope="module")
def store():
    world = World().found()
    a_history(world)
    return world.head.store.inner


@pytest.fixture(scope="module")
def lines(store):
    return list(export_lines(store))


def first_format(lines):
    """The same as version 0.1.0 wrote it."""
    return [lines[0].replace(b'"format":2', b'"format":1'), *lines[1:-1]]


def place_of(lines, table):
    return next(place for place, line in enumerate(lines) if f'"table":"{table}"'.encode() in line)


def test_a_proposal_that_was_changed_in_an_export_is_found(lines, tmp_path):
    """The attack: entries are signed, but the proposals beside them could be rewritten without a trace."""
    place = place_of(lines, Table.PROPOSALS)
    old = b"ballot".hex().encode()
    changed = [*lines[:place], lines[place].replace(old, b"BALLOT".hex().encode()), *lines[place + 1 :]]
    assert changed != lines
    with pytest.raises(LedgerRefusedError, match="the lines before it were changed"):
        import_lines(changed)
    (tmp_path / "export.jsonl").write_bytes(b"".join(changed))
    assert not verify([tmp_path / "export.jsonl"]).ok


@settings(max_examples=60)
@given(data=st.data())
def test_any_changed_byte_of_an_export_is_refused(lines, data):
    place = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[place]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[place][at]))
    line = lines[place][:at] + bytes([other]) + lines[place][at + 1 :]
    with pytest.raises(LedgerRefusedError):
        import_lines([*lines[:place], line, *lines[place + 1 :]])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines[:-2], lines[-1]],
        lambda lines: [*lines, lines[-2]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-3], lines[-2], lines[-3], lines[-1]],
        lambda lines: [lines[0].replace(b'"format":2', b'"format":1'), *lines[1:]],
        lambda lines: [lines[0].replace(b'"format":2', b'"format":3'), *lines[1:]],
    ],
    ids=[
        "no end",
        "a line less",
        "a line behind",
        "two ends",
        "another order",
        "an older name",
        "a later format",
    ],
)
def test_an_export_with_other_lines_is_refused(lines, change):
    with pytest.raises(LedgerRefusedError):
        import_lines(change(lines))


def test_an_export_of_the_first_format_is_still_read(lines, store, tmp_path):
    again = import_lines(first_format(lines))
    assert again.entries() == store.entries()
    assert all(again.notes(table) == store.notes(table) for table in Table)
    (tmp_path / "export.jsonl").write_bytes(b"".join(first_format(lines)))
    assert verify([tmp_path / "export.jsonl"]).ok


@pytest.mark.parametrize("table", [Table.PROPOSALS, Table.RECEIVED])
def test_a_note_that_names_another_proposal_than_it_holds_is_a_finding(table):
    world = World().found()
    a_history(world)
    site = world.head if table is Table.PROPOSALS else world.sites["basel"]
    copy = copy_of(site.store)
    note = copy._notes[table][-2]
    other = copy._notes[table][-1].payload
    copy._notes[table][-2] = dataclasses.replace(note, payload=other)
    from privacy_accounting.audit.chain_reader import read_chain
    from privacy_accounting.audit.local_journal import check_notes

    assert check_notes(site.store.inner, read_chain(site.store.inner)).findings == []
    findings = check_notes(copy, read_chain(copy)).findings
    assert findings == [f"the note of a proposal for entry {note.number} holds another proposal"]
