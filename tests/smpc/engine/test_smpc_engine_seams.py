"""CrypTen's replaced parts: none of its own remains, and sessions share no state."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from torch.distributed import ReduceOp

from smpc.cost import dry_run
from smpc.engine.communicator import SessionCommunicator
from smpc.engine.crypten_patches import crypten
from smpc.engine.provider import SessionProvider
from smpc.engine.randomness import bit_words, ring_elements
from smpc.engine.refusal import EngineRefusedError
from smpc.engine.tensors import from_crypten, to_crypten
from smpc.errors import MemoryLimitError, PartyLostError, PeerRejectedError, SmpcError
from smpc.operations.reveal import reveal_to_all
from smpc.randomness import Purpose, ZeroShares
from smpc.simulator import DEALER, Fault, FaultKind, party_names, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import split_input


def run_python(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::SyntaxWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_subpackage_but_the_engine_works_without_torch():
    outcome = run_python(
        "import sys, importlib\n"
        "modules = 'errors ring randomness sharing session cost simulator engine engine.refusal engine.current '\n"
        "modules += 'dealer.service dealer.supply operations.comparison operations.selection operations.reveal '\n"
        "modules += 'operations.inputs operations.arithmetic transport.memory transport.wire.tls_contexts'\n"
        "for module in modules.split(): importlib.import_module('smpc.' + module)\n"
        "import numpy as np\n"
        "from smpc.simulator import simulate\n"
        "from smpc.operations import comparison, inputs, reveal\n"
        "joint = lambda s: reveal.reveal_to_all(s, comparison.is_negative(s, inputs.contribute(s, np.arange(-9, 9)), 24))\n"
        "assert simulate(joint, 3).values()[0].sum() == 9\n"
        "print(sorted(name for name in ('torch', 'crypten', 'pickle5') if name in sys.modules))\n"
    )
    assert (outcome.stdout.strip(), outcome.stderr) == ("[]", "")


def test_crypten_loads_without_a_warning_and_the_lent_name_is_taken_back():
    outcome = run_python(
        "import sys\n"
        "from smpc.engine.crypten_patches import crypten\n"
        "package = crypten()\n"
        "assert crypten() is package\n"
        "print('torch.onnx._internal.registration' in sys.modules, package.__version__)\n"
    )
    assert (outcome.stdout.strip(), outcome.stderr) == ("False 0.4.1", "")


def less(session):
    """CrypTen's comparison, with its conversion to bits that catches ``RuntimeError``."""
    left, right = (to_crypten(split_input(session, values)) for values in ([1, 2, 3], [3, 2, 1]))
    return reveal_to_all(session, from_crypten(left < right))


@pytest.mark.parametrize("n", [2, 3])
def test_a_party_lost_in_a_crypten_comparison_is_named_without_a_retry(n):
    whole = simulate(less, n)
    assert whole.values()[0].tolist() == [1, 0, 0]
    names = party_names(n)
    steps = [sent.step for sent in whole.sent[names[1]]]
    for at_round in range(len(steps)):
        run = simulate(
            less, n, faults=[Fault(party=names[1], at_round=at_round, kind=FaultKind.KILL)], timeout_s=5
        )
        for name in (names[0], *names[2:]):
            assert isinstance(run.errors[name], PartyLostError)
            assert not isinstance(run.errors[name], RuntimeError)
            assert run.errors[name].name == names[1]
            assert len(run.sent[name]) <= at_round + 1
        assert run.seconds < 5
    assert simulate(less, n).values()[0].tolist() == [1, 0, 0]


def test_crypten_material_is_listed_by_a_dry_run_and_fetched_in_one_exchange():
    cost = dry_run(less, 3)
    run = simulate(less, 3)
    fetched = [sent for sent in run.sent["ada"] if sent.step == Step.MATERIAL]
    assert len(cost.requests) > 5
    assert [set(sent.outgoing) for sent in fetched] == [{DEALER}]
    others = [sent for sent in run.sent["ada"] if sent.step not in {Step.MATERIAL, Step.KEYS}]
    assert len(others) == cost.rounds
    assert sum(len(sent.outgoing["bob"]) for sent in others) == cost.bytes_per_peer


def test_sessions_of_several_sizes_run_at_once_in_one_process():
    sizes = [2, 3, 4, 2, 3]
    outcomes = {}
    gate = threading.Barrier(len(sizes))

    def work(place, n):
        gate.wait()
        outcomes[place] = [simulate(less, n).values()[0].tolist() for _ in range(3)]

    threads = [threading.Thread(target=work, args=item) for item in enumerate(sizes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == dict.fromkeys(range(len(sizes)), [[1, 0, 0]] * 3)


def test_settings_and_the_gradient_switch_belong_to_the_thread_that_sets_them():
    package = crypten()
    config = package.config.cfg
    before = config.functions.exp_iterations, package.CrypTensor.AUTOGRAD_ENABLED
    inside, seen = threading.Event(), threading.Event()
    other = []

    def setter():
        with config.temp_override({"functions.exp_iterations": 3}), package.no_grad():
            other.append((config.functions.exp_iterations, package.CrypTensor.AUTOGRAD_ENABLED))
            inside.set()
            seen.wait(10)
        other.append((config.functions.exp_iterations, package.CrypTensor.AUTOGRAD_ENABLED))

    thread = threading.Thread(target=setter)
    thread.start()
    assert inside.wait(10)
    during = config.functions.exp_iterations, package.CrypTensor.AUTOGRAD_ENABLED
    seen.set()
    thread.join()
    assert (before, during, other) == ((8, True), (8, True), [(3, False), (8, True)])


def test_gradients_flow_on_a_session():
    def joint(session):
        package = crypten()
        x = package.cryptensor(torch.tensor([1.0, 2.0, 3.0]), src=0, requires_grad=True)
        (x * x).sum().backward()
        return reveal_to_all(session, from_crypten(x.grad, precision_bits=16)) / 2**16

    for gradient in simulate(joint, 2).values():
        np.testing.assert_allclose(gradient, [2, 4, 6], atol=0.01)


def stock_zero(rank, n, keys, shape):
    """CrypTen's own share of zero: one stream with the party before, one with the party after."""
    neighbors = {peer: keys[frozenset({rank, peer})] for peer in {(rank - 1) % n, (rank + 1) % n}}
    return ZeroShares(rank, neighbors).additive(shape, Purpose.INPUT)


def test_colluders_open_shares_of_stock_crypten_but_not_ours():
    n, victim, coalition = 4, 0, (1, 3)
    secret = torch.arange(100)
    held = {}

    def joint(session):
        pair_keys = dict(session._zero_shares._pair_keys)
        tensor = crypten().mpc.primitives.ArithmeticSharedTensor(secret, precision=0, src=victim)
        return pair_keys, from_crypten(tensor).share

    for rank, (pair_keys, share) in enumerate(simulate(joint, n).values()):
        held[rank] = pair_keys
        if rank == victim:
            sent = share
    known = {member: held[member][victim] for member in coalition}
    pooled = ZeroShares(victim, known).additive((100,), Purpose.INPUT)
    assert np.count_nonzero(sent - pooled == secret.numpy()) == 0
    everything = {**known, 2: held[2][victim]}
    whole = ZeroShares(victim, everything).additive((100,), Purpose.INPUT)
    np.testing.assert_array_equal(sent - whole, secret.numpy())
    keys = {frozenset({victim, peer}): key for peer, key in everything.items()}
    stock = secret.numpy() + stock_zero(victim, n, keys, (100,))
    np.testing.assert_array_equal(stock - pooled, secret.numpy())


@pytest.mark.parametrize(("op", "step"), [(ReduceOp.SUM, Step.OPEN_RING), (ReduceOp.BXOR, Step.OPEN_PLANES)])
def test_a_reduction_sends_freshly_masked_values(op, step):
    zeros = torch.zeros(64, dtype=torch.int64)

    def joint(session):
        wire = SessionCommunicator.get()
        return [wire.all_reduce(zeros, op=op), wire.all_reduce(zeros, op=op), wire.reduce(zeros, 1, op=op)]

    run = simulate(joint, 3)
    for rank, (first, second, to_one) in enumerate(run.values()):
        assert not first.any()
        assert not second.any()
        assert (to_one is None) == (rank != 1)
    payloads = [
        payload
        for sent in run.sent["ada"]
        if sent.step == step
        for payload in set(sent.outgoing.values()) - {b""}  # who does not get a reduction is kept in step
    ]
    assert len(payloads) == len(set(payloads)) == 3
    for payload in payloads:
        assert np.count_nonzero(np.frombuffer(payload, np.int64)) == 64


def test_reductions_and_messages_of_several_tensors_keep_shapes():
    def joint(session):
        wire, rank = SessionCommunicator.get(), session.rank
        scalar, matrix = torch.tensor(rank + 1), torch.full((2, 3), 10 * (rank + 1))
        summed = wire.all_reduce([scalar, matrix], batched=True)
        exclusive = wire.all_reduce(scalar, op=ReduceOp.BXOR)
        gathered = wire.gather(matrix, 1)
        to_one = wire.reduce([scalar, matrix], 2, batched=True)
        told = wire.broadcast(matrix if rank == 2 else torch.zeros(2, 3, dtype=torch.int64), 2)
        size = wire.broadcast_obj(torch.Size((4, 5)) if rank == 0 else None, 0)
        wire.barrier()
        assert wire.get_name() == session.names[rank]
        return summed, exclusive, gathered, to_one, told, size

    for rank, (summed, exclusive, gathered, to_one, told, size) in enumerate(simulate(joint, 3).values()):
        assert summed[0].shape == ()
        assert (summed[0].item(), summed[1].tolist()) == (6, [[60] * 3] * 2)
        assert exclusive.item() == 1 ^ 2 ^ 3
        assert [g if g is None else g[0, 0].item() for g in gathered] == (
            [10, 20, 30] if rank == 1 else [None]
        )
        assert (to_one is None) == (rank != 2)
        assert told.tolist() == [[30] * 3] * 2
        assert size == torch.Size((4, 5))


def test_a_list_of_tensors_is_one_round():
    def joint(session):
        SessionCommunicator.get().all_reduce([torch.zeros(3, dtype=torch.int64)] * 5, batched=True)

    assert (dry_run(joint, 3).rounds, dry_run(joint, 3).bytes_per_peer) == (1, 120)


REFUSED = {
    "crypten.init": lambda s: SessionCommunicator.initialize(0, 2),
    "communicator scatter": lambda s: SessionCommunicator.get().scatter([], 0),
    "communicator send": lambda s: SessionCommunicator.get().send(torch.zeros(1), 0),
    "communicator recv_obj": lambda s: SessionCommunicator.get().recv_obj(0),
    "broadcast of anything but a shape": lambda s: SessionCommunicator.get().broadcast_obj(
        {"rows": 3}, s.rank
    ),
    "a message that is not of int64 tensors": lambda s: SessionCommunicator.get().all_reduce(torch.zeros(2)),
    "a reduction that is neither sum nor XOR": lambda s: SessionCommunicator.get().all_reduce(
        torch.zeros(2, dtype=torch.int64), op=ReduceOp.MAX
    ),
    "material for conv1d": lambda s: SessionProvider().generate_additive_triple(
        (1, 1, 4), (1, 1, 2), "conv1d"
    ),
    "generator global": lambda s: crypten().generators["global"][torch.device("cpu")],
    "generator prev": lambda s: crypten().generators["prev"][torch.device("cpu")],
    "a ring of another size": lambda s: ring_elements((2,), ring_size=2**32),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_unsupported_crypten_calls_are_refused_before_anything_is_sent(what):
    def joint(session):
        before = session.counters.messages
        with pytest.raises(EngineRefusedError) as caught:
            REFUSED[what](session)
        return caught.value.what, session.counters.messages - before

    assert simulate(joint, 2, prefetch=False).values() == [(what, 0)] * 2
    assert not issubclass(EngineRefusedError, RuntimeError)
    assert issubclass(EngineRefusedError, SmpcError)


def test_outside_a_session_nothing_can_be_drawn_or_sent():
    package = crypten()
    assert not package.is_initialized()
    for call in (
        SessionCommunicator.get,
        lambda: ring_elements((2,)),
        lambda: SessionProvider().square((2,)),
    ):
        with pytest.raises(EngineRefusedError) as caught:
            call()
        assert caught.value.what == "a call outside a session"


@pytest.mark.parametrize(
    "words", [(99,), (-1,), (1, -4), (1, 1 << 40), (2, 1 << 40, 1 << 40), (8, *[1 << 62] * 7, 0)]
)
def test_an_invalid_or_too_large_shape_is_rejected_with_the_senders_name(words):
    def joint(session):
        if session.rank == 0:
            payload = b"".join(word.to_bytes(8, "little", signed=True) for word in words).ljust(72, b"\0")
            session.mesh.exchange(Step.BROADCAST, dict.fromkeys(session.peers, payload), {})
            return None
        return crypten().cryptensor(torch.zeros(0), src=0, broadcast_size=True)

    run = simulate(joint, 3, prefetch=False)
    for name in ("bob", "cyd"):
        assert isinstance(run.errors[name], PeerRejectedError | PartyLostError)
        assert run.errors[name].name == "ada"
    reasons = {getattr(run.errors[name], "reason", None) for name in ("bob", "cyd")} - {None}
    assert reasons <= {"malformed shape", "shape beyond this session's memory"}
    assert reasons


def test_a_shape_beyond_ones_own_memory_is_refused_before_it_is_sent():
    def joint(session):
        before = session.counters.messages
        with pytest.raises(MemoryLimitError):
            SessionCommunicator.get().broadcast_obj(torch.Size((1 << 40,)), session.rank)
        return session.counters.messages - before

    assert simulate(joint, 2, prefetch=False).values() == [0, 0]


def test_no_module_keeps_cryptens_own_generators():
    crypten()
    replaced = {"generate_random_ring_element": ring_elements, "generate_kbit_random_tensor": bit_words}
    found = 0
    for name, module in list(sys.modules.items()):
        if name.startswith("crypten"):
            for function, ours in replaced.items():
                if hasattr(module, function):
                    assert getattr(module, function) is ours, name
                    found += 1
    assert found >= 8


def test_draws_reach_the_largest_element_and_keep_to_their_width():
    def joint(session):
        stream = type("Ones", (), {"draw_ring": lambda self, shape: np.full(shape, 2**63 - 1, np.int64)})()
        words = bit_words((1000,), bitlength=5)
        wide = bit_words((1000,))
        return ring_elements((2, 2), generator=stream), words, wide

    largest, words, wide = simulate(joint, 2, prefetch=False).values()[0]
    assert (largest.shape, largest[0, 0].item()) == ((2, 2), 2**63 - 1)
    assert set(words.tolist()) == set(range(32))  # misses one with probability below 1e-12
    assert len(set(wide.tolist())) == 1000


@pytest.mark.parametrize("call", ["gather", "reduce"])
def test_a_silent_party_is_named_by_parties_that_need_no_frame_of_it(call):
    """The one who gets is busy at first: the others' patience ends before its own."""

    def joint(session):
        wire, own = SessionCommunicator.get(), torch.arange(3)
        if session.rank == 0:
            time.sleep(0.5)
        getattr(wire, call)(own, 0)
        wire.all_reduce(own)

    ada, bob, cyd, dan = party_names(4)
    fault = Fault(party=cyd, at_round=1, kind=FaultKind.FREEZE)
    run = simulate(joint, 4, faults=[fault], prefetch=False, timeout_s=1)
    assert run.results == {}
    assert [run.errors[name].name for name in (ada, bob, dan)] == [cyd] * 3
