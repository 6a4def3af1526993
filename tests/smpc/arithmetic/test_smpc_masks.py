"""For every public operation, those added later included: what all see in the middle is a value under a mask of its own.

Two arguments, both over the table of all operations. An exact one: every opening applies a whole free part of a piece of material,
which is uniform, and no byte of it is ever applied a second time. And one by counting: what was opened, and what each party sent,
is uniform at two very different inputs. The one exception is named: a sort opens comparisons after its shuffle.
"""

import bisect
import math
import sys
import threading
from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

from smpc.cost import _Recorder, dry_run
from smpc.dealer.correlations import recipe_of
from smpc.dealer.requests import square
from smpc.dealer.site_supply import SiteSupply
from smpc.dealer.supply import Supply
from smpc.errors import RingRangeError
from smpc.operations import comparison, open_masked
from smpc.randomness import Keystream
from smpc.simulator import DEALER, party_names, simulate
from smpc.transport.mesh import Step
from tests.smpc import every_operation
from tests.smpc.every_operation import OPERATIONS
from tests.smpc.joint import split_input

IN_CLEAR = {"sorting.sort", "sorting.sort_rows"}
OF_CRYPTEN = {name for name in OPERATIONS if name.startswith("products.")}
OPENINGS = (Step.OPEN_RING, Step.OPEN_MASKED, Step.OPEN_PLANES)
ALLOWED = {Step.KEYS, Step.INPUT, Step.MATERIAL, *OPENINGS, Step.REVEAL}
FALSE_ALARM = 1e-9
ENOUGH_BYTES = 2500
ADA, BOB, CYD, DAN = party_names(4)
KINDS = {"two": (2, False), "three": (3, False), "three of four": (4, True)}


def is_rehearsal(session):
    return isinstance(session.supply, _Recorder)


def interval(array):
    """Where an array lies in memory."""
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


def before(intervals, place):
    """The last of some disjoint intervals in order that begins at a place or before it; an empty one if there is none."""
    number = bisect.bisect_right(intervals, place, key=lambda each: each[0])
    return intervals[number - 1] if number else (0, 0)


class Watch:
    """What one process's parties took as material and applied as masks."""

    def __init__(self, monkeypatch):
        self.lock = threading.Lock()
        self.kept = []  # all material, alive so that no address comes back
        self.free = defaultdict(list)  # by supply: where its free parts lie
        self.used = defaultdict(list)  # by supply: where what was applied lies
        self.faults = []
        self.in_clear = set()  # (party, number of the exchange)
        self.masked = defaultdict(list)  # by party: opened words and their width
        for supply in (Supply, SiteSupply):
            monkeypatch.setattr(supply, "take", self._noting(supply.take))
        for name in ("open_differences", "open_masked", "open_planes"):
            real = getattr(open_masked, name)
            for module in [m for key, m in sys.modules.items() if key.startswith("smpc.")]:
                if getattr(module, name, None) is real:
                    monkeypatch.setattr(module, name, getattr(self, name)(real))

    def _noting(self, real):
        def take(supply, request):
            material = real(supply, request)
            n_free = len(recipe_of(request).free)
            with self.lock:
                self.kept.append((supply, material))
                for part in material[:n_free]:
                    if part.nbytes:
                        bisect.insort(self.free[id(supply)], interval(part))
            return material

        return take

    def open_differences(self, real):
        def watched(session, pairs):
            for value, mask in pairs:
                self.apply(session, value, mask)
            return real(session, pairs)

        return watched

    def open_masked(self, real):
        def watched(session, value, mask, bits):
            self.apply(session, value, mask)
            words = real(session, value, mask, bits)
            with self.lock:
                if not is_rehearsal(session):
                    self.masked[session.names[session.rank]].append((words, bits))
            return words

        return watched

    def open_planes(self, real):
        def watched(session, pairs):
            for planes, mask in pairs:
                self.apply(session, planes, mask)
            return real(session, pairs)

        return watched

    def apply(self, session, value, mask):
        """Note a mask; a fault is one that is no part of a free part, or was applied before."""
        if is_rehearsal(session) or session.evaluator_rank < 0 or value.size == 0:
            return
        start, end = interval(mask)
        with self.lock:
            supply = id(session.supply)
            if before(self.free[supply], start)[1] < end:
                if np.any(mask):
                    self.faults.append("a mask that is no free part of the material")
                self.in_clear.add((session.names[session.rank], session.counters.rounds))
            if not mask.flags.c_contiguous or value.size != mask.size:
                self.faults.append("a mask that does not lie beside its value")
            if before(self.used[supply], end - 1)[1] > start:
                self.faults.append("a mask that was applied before")
            bisect.insort(self.used[supply], (start, end))


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


def hearers(run, steps):
    """The parties that sent at least a byte in some steps, with the receivers."""
    return {
        (party, to)
        for party, sents in run.sent.items()
        for sent in sents
        if sent.step in steps
        for to, payload in sent.outgoing.items()
        if payload
    }


def cases():
    return [
        (name, kind) for name in OPERATIONS for kind in KINDS if not (name in OF_CRYPTEN and kind != "two")
    ]


@pytest.mark.parametrize(("name", "kind"), cases())
def test_every_opening_applies_a_free_part_of_the_material_once(name, kind, watch):
    n, has_three_sites = KINDS[kind]
    run = simulate(OPERATIONS[name], n, has_three_sites=has_three_sites)
    run.values()
    assert watch.faults == []
    assert bool(watch.in_clear) == (name in IN_CLEAR)
    n_openings = sum(sent.step in OPENINGS for sents in run.sent.values() for sent in sents)
    if n_openings and name not in OF_CRYPTEN:
        assert watch.used
    for party, sents in run.sent.items():
        assert {sent.step for sent in sents if any(sent.outgoing.values())} <= ALLOWED, party
    if has_three_sites:
        assert hearers(run, OPENINGS) <= {(ADA, BOB), (BOB, ADA)}
        assert hearers(run, (Step.INPUT,)) <= {(CYD, ADA), (DAN, ADA)}
        assert hearers(run, (Step.MATERIAL,)) <= {(CYD, name) for name in (ADA, BOB, DAN)}


@pytest.mark.parametrize(
    "flaw", ["the same mask twice", "a bound part", "a part of another size", "a sum of masks"]
)
def test_a_flawed_operation_is_noticed(flaw, watch, monkeypatch):
    """The power of the test above."""
    monkeypatch.setattr(open_masked, "_check_mask", lambda *_: None, raising=False)

    def flawed(session):
        x = split_input(session, np.arange(6)).share
        r, r_squared = session.supply.take(square((6,)))
        other, _ = session.supply.take(square((6,)))
        masks = {
            "the same mask twice": [r, r],
            "a bound part": [np.array(r_squared)],
            "a part of another size": [r[:1]],
            "a sum of masks": [r + other],
        }[flaw]
        for mask in masks:
            open_masked.open_differences(session, [(x, mask)])

    simulate(flawed, 2).values()
    assert watch.faults


@pytest.mark.parametrize("size", [1, 5])
def test_one_mask_for_several_values_is_refused_before_anything_is_sent(size):
    """The attack: numpy would repeat a short mask, and the differences of what it covers would be open."""

    def joint(session):
        x = split_input(session, np.arange(6))
        r, _ = session.supply.take(square((size,)))
        words, _ = session.supply.take(comparison.mask(size, 9))
        for call in (
            lambda: open_masked.open_differences(session, [(x.share, r)]),
            lambda: open_masked.open_masked(session, x.share, words, 9),
            lambda: open_masked.open_planes(session, [(np.zeros(6, np.uint8), np.ones(size, np.uint8))]),
        ):
            with pytest.raises(RingRangeError):
                call()
        return sum(sent for peer, sent in session.counters.bytes_sent.items() if peer != DEALER)

    assert simulate(joint, 2).values() == [32, 32]


# -- by counting -------------------------------------------------------------------------------------------------


def zeros(session, values):
    """All inputs 0: as far from the table's as any that are valid for every width."""
    return split_input(session, np.zeros_like(np.asarray(values, np.int64)))


def repeated(name, times):
    def joint(session):
        for _ in range(times):
            OPERATIONS[name](session)

    return joint


def opened_bytes(run, watch):
    """What everybody adds up, by kind of opening, as uniform bytes if all is well; and what each party sent."""
    found = defaultdict(list)
    names = list(run.names)
    for place, sents in enumerate(zip(*(run.sent[name] for name in names), strict=True)):
        step = sents[0].step
        if step not in OPENINGS or (names[0], place) in watch.in_clear:
            continue
        payloads = [next(p for p in sent.outgoing.values()) for sent in sents]
        for name, payload in zip(names, payloads, strict=True):
            if step != Step.OPEN_MASKED:  # of odd widths a frame has bits of nothing at its end
                found[name, step].append(payload)
        if step == Step.OPEN_RING:
            found["all", step].append(sum(np.frombuffer(p, np.int64) for p in payloads).tobytes())
        elif step == Step.OPEN_PLANES:
            found["all", step].append(
                np.bitwise_xor.reduce([np.frombuffer(p, np.uint8) for p in payloads]).tobytes()
            )
    bits = [
        (words[:, np.newaxis] >> np.arange(width)) & 1
        for words, width in watch.masked[names[0]]
        if words.size
    ]
    if bits:
        stream = np.concatenate([each.reshape(-1) for each in bits]).astype(np.uint8)
        found["all", Step.OPEN_MASKED].append(np.packbits(stream[: stream.size // 8 * 8]).tobytes())
    return {key: b"".join(parts) for key, parts in found.items()}


def inputs_of_all():
    """Each operation at one of two inputs, in turn; at the other one in the slow tests."""
    opening = [name for name in OPERATIONS if dry_run(OPERATIONS[name], 2).rounds]
    for at, name in enumerate(opening):
        for inputs in ("as in the table", "zeros"):
            is_other = (inputs == "zeros") == bool(at % 2)
            yield pytest.param(name, inputs, marks=pytest.mark.slow if is_other else ())


@pytest.mark.parametrize(("name", "inputs"), list(inputs_of_all()))
def test_opened_and_sent_values_are_uniform_for_two_distant_inputs(name, inputs, watch, monkeypatch):
    """Some thousand bytes of each kind of opening; 16 cells a half byte; false alarm 1e-9 each."""
    if inputs == "zeros":
        monkeypatch.setattr(every_operation, "split_input", zeros)
    cost = dry_run(OPERATIONS[name], 2)
    times = min(200, math.ceil(ENOUGH_BYTES / max(1, cost.bytes_per_peer)))
    run = simulate(repeated(name, times), 2)
    run.values()
    found = opened_bytes(run, watch)
    n_tested = 0
    for key, raw in found.items():
        halves = np.concatenate([np.frombuffer(raw, np.uint8) & 15, np.frombuffer(raw, np.uint8) >> 4])
        if halves.size >= 160:  # else a handful of bytes, of which others of this operation have enough
            n_tested += 1
            assert stats.chisquare(np.bincount(halves, minlength=16)).pvalue > FALSE_ALARM, key
    assert n_tested, sorted(found)


@pytest.mark.parametrize("kind", KINDS)
def test_no_party_begins_a_keystream_twice(kind, monkeypatch):
    """One that began again would give out the same masks and shares of zero: every operation one after the other in one session."""
    n, has_three_sites = KINDS[kind]
    names = [name for name in OPERATIONS if name not in OF_CRYPTEN]
    requests = dry_run(in_turn(names), n, has_three_sites=has_three_sites).requests
    begun, lock, real = defaultdict(list), threading.Lock(), Keystream.__init__

    def noting(stream, key):
        with lock:
            begun[threading.get_ident()].append(key)
        real(stream, key)

    monkeypatch.setattr(Keystream, "__init__", noting)

    def joint(session):
        half = len(requests) // 2
        session.prefetch(requests[:half], is_last=False)  # two batches, so that a seed could come twice
        for request in requests[:half]:
            session.supply.take(request)
        session.prefetch(requests[half:])

    simulate(joint, n, has_three_sites=has_three_sites, prefetch=False).values()
    simulate(in_turn(names), n, has_three_sites=has_three_sites).values()
    assert sum(map(len, begun.values())) > 4 * n
    for keys in begun.values():
        assert len(set(keys)) == len(keys)


def in_turn(names):
    def joint(session):
        for name in names:
            OPERATIONS[name](session)

    return joint
