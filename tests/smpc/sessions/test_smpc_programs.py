"""Programs of any public operations equal Python's integers, on any shapes, widths and kinds of parties."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smpc.dealer.service import DealerService
from smpc.dealer.site_supply import DIGEST_BYTES
from smpc.randomness import KEY_BYTES
from smpc.simulator import DEALER, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import THREE, THREE_OF_FOUR, Sites
from tests.smpc.programs import MAKERS, Program

PARTIES = [2, 3, 4, 5, THREE, THREE_OF_FOUR]
EACH = 100


def run(seed, n, **options):
    """Make a program, run it, compare; return what was sent."""
    program = Program(np.random.default_rng(seed), 6)
    shapes, flat = program.expected()
    outcome = simulate(program.joint, int(n), has_three_sites=isinstance(n, Sites), **options)
    for seen_shapes, seen in outcome.values():
        assert seen_shapes == shapes, (seed, program.names)
        np.testing.assert_array_equal(seen, flat, err_msg=str((seed, program.names)))
    return outcome


@pytest.mark.parametrize("n", PARTIES, ids=str)
def test_law_any_program_equals_python_integers(n):
    begin = 1000 * PARTIES.index(n)
    for seed in range(begin, begin + EACH):
        run(seed, n)


def test_the_programs_above_reach_every_kind_of_operation():
    names = Counter()
    for n in range(len(PARTIES)):
        for seed in range(1000 * n, 1000 * n + EACH):
            names.update(Program(np.random.default_rng(seed), 6).names)
    assert len(names) >= len(MAKERS)
    assert min(names.values()) >= 3


def test_eight_programs_at_once_with_one_dealer_mix_nothing():
    """Each is right, and no seed or key that any of them was given is another's."""
    service = DealerService()

    def one(seed):
        return run(seed, PARTIES[seed % len(PARTIES)], dealer=service, prefetch=bool(seed % 2))

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, range(50_000, 50_000 + 48)))
    secrets = [
        payload[place : place + KEY_BYTES]
        for outcome in outcomes
        for party, sents in outcome.sent.items()
        for sent in sents
        for to, payload in sent.outgoing.items()
        if (place := _seed_at(sent.step, party, to, outcome)) is not None
        and len(payload) >= place + KEY_BYTES
    ]
    assert len(secrets) > 400
    assert len(set(secrets)) == len(secrets)


def _seed_at(step, party, to, outcome):
    """Where in a frame a key or seed lies; None where there is none."""
    if step == Step.KEYS:
        return 0
    if step != Step.MATERIAL or to == DEALER:
        return None
    return 0 if DEALER in outcome.sent and party == DEALER else DIGEST_BYTES
