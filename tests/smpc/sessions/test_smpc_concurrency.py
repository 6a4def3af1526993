"""Eight sessions at once on the same nodes over TLS, with CrypTen: right answers, no shared state."""

import threading

import numpy as np
import pytest

from smpc.cost import dry_run
from smpc.dealer.service import DealerService
from smpc.engine.crypten_patches import crypten
from smpc.engine.randomness import OwnStreams
from smpc.engine.refusal import EngineRefusedError
from smpc.engine.tensors import from_crypten, to_arithmetic, to_crypten
from smpc.operations import comparison, selection, sorting
from smpc.operations.numeric import fixed_point
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.reveal import reveal_to_all
from smpc.session import Session, active_session
from smpc.sharing import Shared
from tests.smpc.joint import split_input
from tests.transport.tls_world import HELPER, PARTIES, REQUEST, Nodes, World, fresh_id, run_all

N_SESSIONS, N_TURNS = 8, 6
SCALE = FixedPoint(fraction=10, integer=20)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with Nodes(World(tmp_path_factory.mktemp("eight")), (*PARTIES, HELPER)) as running:
        yield running


def signs(session, x):
    return comparison.is_negative(session, x, 30)


def clipped(session, x):
    return selection.clip(session, x, -50, 50, 30)


def ordered(session, x):
    return sorting.sort(session, x, 30)[0]


def scaled(session, x):
    return fixed_point.square(session, x, SCALE)


def crypten_square(session, x):
    with session.activated():
        return from_crypten(to_arithmetic(x).square())


def crypten_below_zero(session, x):
    """CrypTen's own comparison, under a setting of its own that another thread's override must not reach."""
    with session.activated(), crypten().config.cfg.temp_override({"encoder.precision_bits": 0}):
        return from_crypten(to_crypten(x) < 0)


def halves(value):
    return (value * value + (1 << 9)) >> 10


WORK = [
    (signs, lambda v: v < 0),
    (crypten_square, lambda v: v * v),
    (clipped, lambda v: np.clip(v, -50, 50)),
    (crypten_below_zero, lambda v: v < 0),
    (ordered, np.sort),
    (crypten_square, lambda v: v * v),
    (scaled, halves),
    (crypten_below_zero, lambda v: v < 0),
]


def own_values(number, turn):
    return np.random.default_rng(100 * number + turn).integers(-1000, 1000, 12)


def test_eight_sessions_of_mixed_work_at_once_get_their_own_answers(nodes):
    service, sessions = DealerService(), {number: fresh_id() for number in range(N_SESSIONS)}
    all_in = threading.Barrier(N_SESSIONS * len(PARTIES))
    seen = {}

    def turns(session, number):
        work, _ = WORK[number]
        return [
            reveal_to_all(session, work(session, split_input(session, own_values(number, t))))
            for t in range(N_TURNS)
        ]

    def take_part(number, name):
        requests = dry_run(lambda session: turns(session, number), PARTIES).requests
        mesh = nodes.plane(name).open_mesh(sessions[number], REQUEST, PARTIES, HELPER)
        with Session(mesh, sessions[number]) as session:
            session.prefetch(requests)
            all_in.wait(30)  # all 24 are in a session now
            answers = turns(session, number)
            assert active_session() is session
            seen[number, name] = [sorted(session._zero_shares._pair_keys.values()), session.local]
        assert active_session() is None
        return answers

    def deal(number):
        mesh = nodes.plane(HELPER).open_mesh(sessions[number], REQUEST, PARTIES, HELPER)
        return service.serve(mesh, sessions[number])

    crypten()
    tasks = {(n, p): lambda n=n, p=p: take_part(n, p) for n in sessions for p in PARTIES}
    heard = run_all(tasks | {(n, HELPER): lambda n=n: deal(n) for n in sessions})
    for number in sessions:
        assert heard[number, HELPER] == 1
        for turn in range(N_TURNS):
            expected = WORK[number][1](own_values(number, turn))
            for name in PARTIES:
                np.testing.assert_array_equal(
                    heard[number, name][turn], expected, err_msg=f"{number} {turn} {name}"
                )
    # no key and no keystream of one session is another's
    keys = [key for pair_keys, _ in seen.values() for key in pair_keys]
    assert len(keys) == 2 * len(set(keys)) == N_SESSIONS * 6
    assert len({id(local) for _, local in seen.values()}) == N_SESSIONS * len(PARTIES)


def test_cryptens_process_settings_are_separate_for_each_thread():
    """Its settings, its autograd switch, its generators and its communicator, all at once in eight threads."""
    package = crypten()
    begin = package.config.cfg.encoder.precision_bits, package.CrypTensor.AUTOGRAD_ENABLED
    together = threading.Barrier(N_SESSIONS)

    def one(number):
        session = _alone()
        with session.activated(), package.config.cfg.temp_override({"encoder.precision_bits": number}):
            package.CrypTensor.set_grad_enabled(number % 2 == 0)
            for _ in range(50):
                together.wait(10)
                assert package.config.cfg.encoder.precision_bits == number
                assert (number % 2 == 0) is package.CrypTensor.AUTOGRAD_ENABLED
                assert package.communicator.get()._session is session
                assert OwnStreams()["cpu"] is session.local
        assert package.config.cfg.encoder.precision_bits == begin[0]
        with pytest.raises(EngineRefusedError):
            package.communicator.get()

    run_all({number: lambda number=number: one(number) for number in range(N_SESSIONS)})
    assert (package.config.cfg.encoder.precision_bits, package.CrypTensor.AUTOGRAD_ENABLED) == begin


def _alone():
    from smpc.transport.memory import memory_meshes

    return Session(memory_meshes(["ada", "bob"])["ada"], fresh_id())


def test_one_session_that_fails_leaves_the_seven_others_alone(nodes):
    service, sessions = DealerService(), {number: fresh_id() for number in range(N_SESSIONS)}
    all_in, victim = threading.Barrier(N_SESSIONS * len(PARTIES)), 3

    def take_part(number, name):
        mesh = nodes.plane(name).open_mesh(sessions[number], REQUEST, PARTIES, HELPER)
        try:
            with Session(mesh, sessions[number]) as session:
                all_in.wait(30)
                if (number, name) == (victim, "basel"):
                    raise ZeroDivisionError
                x = Shared(share=np.array([number - 5]) * session.is_first)
                return int(reveal_to_all(session, signs(session, x))[0])
        except (ZeroDivisionError, ConnectionError) as error:
            return getattr(error, "name", "basel")

    def deal(number):
        mesh = nodes.plane(HELPER).open_mesh(sessions[number], REQUEST, PARTIES, HELPER)
        try:
            return service.serve(mesh, sessions[number])
        except ConnectionError as error:
            return error.name

    tasks = {(n, p): lambda n=n, p=p: take_part(n, p) for n in sessions for p in PARTIES}
    heard = run_all(tasks | {(n, HELPER): lambda n=n: deal(n) for n in sessions})
    for number in sessions:
        expected = "basel" if number == victim else int(number < 5)
        assert {heard[number, name] for name in PARTIES} == {expected}
