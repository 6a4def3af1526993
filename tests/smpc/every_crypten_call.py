"""CrypTen's own calls on a session, each to its opening by CrypTen itself: what the fault tests walk through besides our operations.

Approximations run with few iterations: every further one repeats the same messages.
"""

import functools
import sys

import numpy as np
import torch

from smpc.engine.communicator import SessionCommunicator
from smpc.engine.crypten_patches import crypten
from smpc.engine.tensors import to_crypten
from tests.smpc.joint import split_input

X, Y = [0.5, 1.0, 2.0], [1.0, 1.0, 1.0]
SQUARE = [[1.0, 2.0], [3.0, 4.0]]
ROWS = torch.tensor([[3, 4], [5, 6]])
BITS = 16
FEW = {
    "functions.exp_iterations": 2,
    "functions.log_iterations": 1,
    "functions.log_exp_iterations": 2,
    "functions.reciprocal_nr_iters": 2,
    "functions.sqrt_nr_iters": 2,
    "functions.sigmoid_tanh_method": "reciprocal",
}
TOLERANCE = 0.02  # CrypTen's truncation rounds by luck; exact where it computes with integers or bits


def engine_state():
    """What a call of CrypTen may change for a time, in this thread and in the process."""
    package = crypten()
    names = ("generate_random_ring_element", "generate_kbit_random_tensor")
    modules = [module for name, module in sys.modules.items() if name.startswith("crypten.")]
    return (
        id(package.config.cfg.config),  # an override puts another in its place
        package.CrypTensor.AUTOGRAD_ENABLED,
        package.communicator.DistributedCommunicator,
        package.communicator.get,
        package.mpc.get_default_provider(),
        [(role, package.generators[role]) for role in sorted(package.generators)],
        [id(getattr(module, name)) for module in modules for name in names if hasattr(module, name)],
        [vars(package.mpc.primitives.ArithmeticSharedTensor)[name] for name in ("PRZS", "div_")],
        vars(package.mpc.primitives.BinarySharedTensor)["PRZS"],
        "torch.onnx._internal.registration" in sys.modules,
    )


def call(function, **settings):
    """What every party runs: the call, under those settings; whatever becomes of it, CrypTen is as before."""

    def joint(session):
        before = engine_state()
        try:
            with crypten().config.cfg.temp_override(FEW | settings):
                opened = function(session)
        finally:
            assert engine_state() == before
        return None if opened is None else opened.numpy()

    return joint


def tensor(session, values, bits=BITS):
    scaled = np.round(np.array(values) * 2**bits).astype(np.int64)
    return to_crypten(split_input(session, scaled), precision_bits=bits)


def one(method):
    return call(lambda s: getattr(tensor(s, X), method)().get_plain_text())


def two(method, other=Y):
    return call(lambda s: getattr(tensor(s, X), method)(tensor(s, other)).get_plain_text())


def binary(session):
    return tensor(session, X).to(crypten().mpc.binary)


def chosen(session):
    x = tensor(session, X)
    return x.where(x < tensor(session, Y), tensor(session, [9.0, 9.0, 9.0])).get_plain_text()


def from_one(session):
    own = torch.tensor(X) if session.rank == 1 else torch.zeros(0)
    return crypten().cryptensor(own, src=1, broadcast_size=True).get_plain_text()


def batch(session):
    tensors = [tensor(session, X)._tensor, tensor(session, Y)._tensor]
    return torch.cat(crypten().mpc.primitives.ArithmeticSharedTensor.reveal_batch(tensors))


def gradient(session):
    x = crypten().cryptensor(torch.tensor(X), src=0, requires_grad=True)
    (x * x).sum().backward()
    return x.grad.get_plain_text()


def training_step(session):
    package = crypten()
    model = package.nn.Linear(2, 1)
    for weights in model.parameters():
        weights.data.fill_(0.5)
    model.encrypt(src=0).train()
    loss = package.nn.MSELoss()(model(tensor(session, SQUARE)).sigmoid(), tensor(session, [[0.0], [1.0]]))
    model.zero_grad()
    loss.backward()
    model.update_parameters(0.1)
    return torch.cat([weights.get_plain_text().reshape(-1) for weights in model.parameters()])


def wire(use):
    """A call of the communicator itself, at the end of which the parties open the sum of what they hold."""

    def function(session):
        communicator = SessionCommunicator.get()
        held = use(communicator, session.rank, session.n_parties - 1)
        return communicator.all_reduce(torch.zeros(2, 2, dtype=torch.int64) if held is None else held)

    return call(function)


def broadcast(communicator, rank, last):
    told = communicator.broadcast(ROWS if rank == last else torch.zeros_like(ROWS), last)
    return told if rank == 0 else None


def broadcast_size(communicator, rank, last):
    size = communicator.broadcast_obj(ROWS.size() if rank == last else None, last)
    return torch.full(size, int(rank == 0))


def gather(communicator, rank, last):
    pieces = communicator.gather(ROWS, last)
    return sum(pieces) if rank == last else None


CALLS = {
    "communicator.all_reduce": wire(lambda c, rank, last: c.all_reduce(ROWS) * int(rank == 0)),
    "communicator.barrier": wire(lambda c, rank, last: c.barrier()),
    "communicator.broadcast": wire(broadcast),
    "communicator.broadcast_obj": wire(broadcast_size),
    "communicator.gather": wire(gather),
    "communicator.reduce": wire(lambda c, rank, last: c.reduce(ROWS, last)),
    "crypten.add": two("add"),
    "crypten.mul": two("mul"),
    "crypten.less": two("lt"),
    "crypten.reveal_to_one": call(lambda s: tensor(s, X).get_plain_text(dst=1)),
    "crypten.cryptensor_of_one": call(from_one),
    "crypten.matmul": call(lambda s: tensor(s, SQUARE).matmul(tensor(s, SQUARE)).get_plain_text()),
    "crypten.gradient": call(gradient),
    "crypten.exp": one("exp"),
    "crypten.mul_public": call(lambda s: (tensor(s, X) * 1.5).get_plain_text()),
    "crypten.square": one("square"),
    "crypten.reveal_batch": call(batch),
    "crypten.equals": two("eq"),
    "crypten.equals_of_integers": call(
        lambda s: (tensor(s, [1, 2], 0) == tensor(s, [1, 3], 0)).get_plain_text()
    ),
    "crypten.where": call(chosen),
    "crypten.abs": one("abs"),
    "crypten.relu": one("relu"),
    "crypten.max": one("max"),
    "crypten.to_binary": call(lambda s: binary(s).get_plain_text()),
    "crypten.binary_to_one": call(lambda s: binary(s).get_plain_text(dst=1)),
    "crypten.to_arithmetic": call(lambda s: binary(s).to(crypten().mpc.arithmetic).get_plain_text()),
    "crypten.div": two("div"),
    "crypten.reciprocal": one("reciprocal"),
    "crypten.log": one("log"),
    "crypten.sqrt": one("sqrt"),
    "crypten.sigmoid": one("sigmoid"),
    "crypten.tanh": one("tanh"),
    "crypten.softmax": call(lambda s: tensor(s, X).softmax(0).get_plain_text()),
    "crypten.nn": call(training_step),
}
BASIC = tuple(CALLS)[: tuple(CALLS).index("crypten.exp") + 1]  # all kinds of messages
QUICK = tuple(CALLS)[: tuple(CALLS).index("crypten.cryptensor_of_one") + 1]


@functools.cache
def communicator_methods():
    """The communicator's own methods by which something is sent."""
    about = {"is_initialized", "get", "initialize", "get_world_size", "get_rank", "get_name"}
    return {
        name for name, value in vars(SessionCommunicator).items() if callable(value) and name[0] != "_"
    } - about
