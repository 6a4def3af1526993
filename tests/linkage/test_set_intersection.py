"""Set intersection: what it finds, what each side sees, and what it refuses (P18)."""

import hmac
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.set_intersection import manifest
from smpc.set_intersection.group import base_multiple, fresh_scalar, hash_to_group, multiple
from smpc.set_intersection.protocol import CHECK_ROWS, SetIntersection, bytes_of, exchanges_of
from smpc.set_intersection.worker import Work
from smpc.set_intersection.workers import Workers
from smpc.transport.mesh import Step
from tests.linkage.pairs import digest, intersect

ADA, BOB, CYD = "ada", "bob", "cyd"


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 25), max_size=20), st.sets(st.integers(0, 25), max_size=20))
def test_both_find_the_common_rows_in_one_order(one, other):
    one, other = sorted(one), sorted(other, reverse=True)
    mine, theirs = intersect((one, other)).values()
    found = [one[row] for row in mine.rows]
    assert sorted(found) == sorted(set(one) & set(other))
    assert found == [other[row] for row in theirs.rows]
    assert mine.count == theirs.count == len(found)


@settings(max_examples=6, deadline=None)
@given(st.sets(st.integers(0, 25), max_size=20), st.sets(st.integers(0, 25), max_size=20))
def test_count_is_the_number_and_names_no_row(one, other):
    mine, theirs = intersect((sorted(one), sorted(other)), learns="count").values()
    assert mine.count == theirs.count == len(one & other)
    assert mine.rows is None
    assert theirs.rows is None


@pytest.mark.parametrize("learns", ["rows", "count"])
def test_what_is_sent_has_one_length_whatever_the_sets(learns):
    runs = [
        intersect(sets, learns=learns)
        for sets in (([], []), ([1], range(20)), (range(20), range(20)), (range(20), range(30, 50)))
    ]
    lengths = [
        {name: (run.counters[name].rounds, run.counters[name].bytes_sent) for name in (ADA, BOB)}
        for run in runs
    ]
    assert all(each == lengths[0] for each in lengths)
    if learns == "rows":
        keys = 32
        assert lengths[0][ADA] == (exchanges_of(20) + 1, {BOB: bytes_of(20) + keys})


def test_a_third_site_sees_nothing():
    run = intersect((range(10), range(5, 15)), n_parties=3)
    assert run.counters[ADA].bytes_sent[CYD] == 32  # the session's keys alone
    assert run.counters[CYD].rounds == 1


def frames_of(sets, **options):
    """Everything that the two parties send to one another, and their results."""
    seen = {ADA: [], BOB: []}

    class Recording(SetIntersection):
        def _exchange(self, payload, n_bytes):
            seen[self._own_name].append(payload)
            return super()._exchange(payload, n_bytes)

    return seen, intersect(sets, kinds=(Recording, Recording), **options).values()


def elements_in(frames):
    return {frame[first : first + 32] for frame in frames for first in range(len(frame) % 32, len(frame), 32)}


def test_two_runs_share_no_element_and_no_identifier_is_sent():
    first, _ = frames_of((range(10), range(10)))
    second, _ = frames_of((range(10), range(10)))
    elements = [elements_in(seen[name]) for seen in (first, second) for name in (ADA, BOB)]
    assert not elements[0] & elements[2]
    assert not elements[1] & elements[3]
    identifiers = {digest(number) for number in range(10)}
    assert not any(identifiers & each for each in elements)


def test_before_the_commitments_no_element_is_sent():
    seen, _ = frames_of((range(10), range(5, 15)))
    lengths = [len(frame) for frame in seen[ADA]]
    # 32 bytes for the pair's key, an empty frame a block, commitment and signature, manifest, then elements
    assert lengths[:5] == [32, 0, 96, 64, 32 * (20 + CHECK_ROWS)]


def test_the_order_of_the_own_rows_is_not_sent():
    """The places of the common rows in the sent set are no function of the places in the table."""
    places = set()
    for _ in range(8):
        seen, _ = frames_of((range(10), range(1)))
        sent = seen[BOB][4]
        multiplied = seen[ADA][5][32:]  # ADA returns BOB's set in BOB's order
        common = elements_in([seen[BOB][5][32:]]) & elements_in([multiplied])
        (element,) = common
        places.add(multiplied.index(element) // 32)
        assert len(sent) == len(multiplied)
    assert len(places) > 2


class Swapped(SetIntersection):
    """Sends its blocks in another order than it committed to."""

    def _exchanged(self, own, theirs):
        own.elements = own.elements[32:] + own.elements[:32]
        return super()._exchanged(own, theirs)


class Doubled(SetIntersection):
    """Commits to a set that holds one element twice."""

    def _blinded(self, identifiers):
        own = super()._blinded(identifiers)
        own.elements = own.elements[:32] + own.elements[:32] + own.elements[64:]
        return own


def with_element(element):
    class Planted(SetIntersection):
        """Commits to a set that holds a chosen element."""

        def _blinded(self, identifiers):
            own = super()._blinded(identifiers)
            own.elements = element + own.elements[32:]
            return own

    return Planted


class Unsigned(SetIntersection):
    """Signs something else."""

    def _exchange(self, payload, n_bytes):
        if len(payload) == 96:
            payload = payload[:32] + bytes(64)
        return super()._exchange(payload, n_bytes)


class Late(SetIntersection):
    """Chooses its set after it has heard the other's commitment: its manifest is another."""

    def _exchange(self, payload, n_bytes):
        if len(payload) == 64 and n_bytes == 64:
            payload = payload[:32] + os.urandom(32)
        return super()._exchange(payload, n_bytes)


ATTACKS = {
    "reordered after the commitment": (Swapped, "not the one that was committed to"),
    "one element twice": (Doubled, "twice"),
    "the identity": (with_element(bytes(32)), "identity"),
    "on the twist": (
        with_element(bytes.fromhex("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371")),
        "identity",
    ),
    "not canonical": (with_element(b"\0" + b"\xff" * 31), "identity"),
    "unsigned": (Unsigned, "not signed"),
    "set chosen late": (Late, "committed to"),
}


@pytest.mark.parametrize(("kind", "reason"), ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("learns", ["rows", "count"])
def test_a_peer_that_departs_from_its_commitment_is_refused(kind, reason, learns):
    run = intersect((range(10), range(5, 15)), kinds=(SetIntersection, kind), learns=learns)
    assert isinstance(run.errors[ADA], PeerRejectedError | PartyLostError)
    assert reason in str(run.errors[ADA]) or isinstance(run.errors[BOB], PeerRejectedError)
    assert ADA not in run.results


def rotated(work, block):
    return block[32:] + block[:32] if work == Work.MULTIPLY else block


def repeated(work, block):
    return block[:32] + block[:32] + block[64:] if work == Work.MULTIPLY else block


def replaced(work, block):
    """Others in place of all rows; of one row it is noticed where it is a check row, as a patient left out never is."""
    others = (base_multiple((7 + place).to_bytes(32, "little")) for place in range(len(block) // 32))
    return b"".join(others) if work == Work.MULTIPLY else block


def invalid(work, block):
    return bytes(32) + block[32:] if work == Work.MULTIPLY else block


@pytest.mark.parametrize("cheat", [rotated, repeated, replaced, invalid])
def test_rows_that_come_back_in_another_order_doubled_or_changed_are_refused(cheat):
    run = intersect((range(20), range(20)), cheat=cheat)
    assert isinstance(run.errors[ADA], PeerRejectedError)
    assert not run.results


def test_a_partner_that_blinds_a_row_under_another_key_learns_of_it_where_the_number_alone_is_promised():
    """A limit that SECURITY.md names: nothing shows it to the other party, so ``count`` needs partners that follow the protocol."""
    own_key, learnt = fresh_scalar(), {}

    class Curious(SetIntersection):
        def _blinded(self, identifiers):
            own = super()._blinded(identifiers)
            (self.place,) = np.flatnonzero(own.places == 0)
            hashed = hmac.digest(self.key, identifiers[:32], "sha512")
            own.elements = (
                own.elements[: self.place * 32]
                + multiple(own_key, hash_to_group(hashed))
                + own.elements[(self.place + 1) * 32 :]
            )
            return own

        def _pair_key(self):
            self.key = super()._pair_key()
            return self.key

        def _exchanged(self, own, theirs):
            self.theirs = super()._exchanged(own, theirs)
            return self.theirs

        def _common(self, own, returned, made):
            of_theirs = {multiple(own_key, self.theirs[n : n + 32]) for n in range(0, len(self.theirs), 32)}
            learnt["has it"] = bool(of_theirs & {returned[n : n + 32] for n in range(0, len(returned), 32)})
            return super()._common(own, returned, made)

    for wanted, is_there in ((7, True), (30, False)):
        run = intersect((range(10), [wanted, 1, 2, 40]), kinds=(SetIntersection, Curious), learns="count")
        assert not run.errors
        assert run.results[ADA].count == 2
        assert learnt["has it"] == is_there


def test_a_returned_block_is_bound_to_the_block_that_was_sent():
    blocks = [os.urandom(64), os.urandom(64)]
    announced = manifest.Manifest.of(blocks, bytes(32))
    tags = {
        manifest.return_tag(place, announced.digests[asked], blocks[returned])
        for place in (0, 1)
        for asked in (0, 1)
        for returned in (0, 1)
    }
    assert len(tags) == 8
    announced.check_block(1, blocks[1])
    for place, block in ((0, blocks[1]), (1, blocks[1][:-1]), (1, b"")):
        with pytest.raises(PeerRejectedError):
            announced.check_block(place, block)


def test_a_commitment_is_of_one_session_owner_size_key_and_order():
    blocks = [os.urandom(64), os.urandom(64)]
    first = manifest.Manifest.of(blocks, bytes(32))
    others = {
        first.commitment(b"1" * 32, ADA),
        first.commitment(b"2" * 32, ADA),
        first.commitment(b"1" * 32, BOB),
        manifest.Manifest.of(blocks, b"1" * 32).commitment(b"1" * 32, ADA),
        manifest.Manifest.of(blocks[::-1], bytes(32)).commitment(b"1" * 32, ADA),
        manifest.Manifest.of(blocks[:1], bytes(32)).commitment(b"1" * 32, ADA),
        manifest.Manifest.of([*blocks, blocks[0]], bytes(32)).commitment(b"1" * 32, ADA),
    }
    assert len(others) == 7


def test_a_set_beyond_the_declared_size_or_with_a_doubled_row_is_refused_before_anything_is_sent():
    for own in (range(21), [1, 1]):
        run = intersect((own, range(5)))
        assert isinstance(run.errors[ADA], PeerRejectedError)
        assert run.counters[ADA].bytes_sent == {BOB: 32}


def test_results_do_not_show_what_was_learnt():
    mine, _ = intersect((range(10), range(5, 15))).values()
    assert repr(mine) == "Found()"


def test_worker_processes_work_in_order_and_end_with_their_owner():
    scalar = (3).to_bytes(32, "little")
    elements = [base_multiple(number.to_bytes(32, "little")) for number in range(1, 8)]
    blocks = [elements[0] + elements[1], elements[2], elements[3] + elements[4], elements[5], elements[6]]
    with Workers(2) as workers:
        made = b"".join(workers.map(Work.MULTIPLY, scalar, blocks))
        assert made == b"".join(base_multiple((3 * number).to_bytes(32, "little")) for number in range(1, 8))
        with pytest.raises(PeerRejectedError):
            list(workers.map(Work.CHECK, scalar, [bytes(32)]))
        processes = list(workers._processes)
    assert all(process.returncode is not None for process in processes)


def test_blocks_of_many_rows_are_cut_and_put_together(monkeypatch):
    monkeypatch.setattr(manifest, "BLOCK_ROWS", 16)
    mine, theirs = intersect((range(40), range(20, 60)), size=50).values()
    assert np.array_equal(np.sort(mine.rows), np.arange(20, 40))
    assert np.array_equal(mine.rows, theirs.rows + 20)
    run = intersect((range(40), range(20, 60)), size=50)
    assert run.counters[ADA].rounds == exchanges_of(50) + 1
    assert run.counters[ADA].bytes_sent == {BOB: bytes_of(50) + 32}
    assert {Step.KEYS, Step.INTERSECT} == {sent.step for sent in run.sent[ADA]}
