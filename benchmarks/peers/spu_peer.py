"""SPU on the works of the secret-sharing benchmark: one process a party, plain links on loopback, warm.

Runs in an environment of its own (tools/peers.sh), since SPU pins an older numpy, and imports nothing of ours. Trust:
SEMI2K as configured by default lets the first party know the triples; ABY3 needs an honest majority of exactly three.
Seconds are the slowest party's, the 10th percentile of the repetitions. Writes
build/bench/peers.json.
"""

import json
import multiprocessing
import socket
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import spu
from spu import libspu
from spu.utils import frontend

TARGET = Path("build/bench/peers.json")
jax.config.update("jax_enable_x64", val=True)
PROTOCOLS = {
    "SPU SEMI2K": (
        2,
        spu.ProtocolKind.SEMI2K,
        "semi-honest; party 0 knows the triples as configured by default",
    ),
    "SPU ABY3": (3, spu.ProtocolKind.ABY3, "semi-honest; honest majority of exactly 3"),
}


def numbers(count, seed=20, magnitude=1 << 20):
    return np.random.default_rng(seed).integers(-magnitude, magnitude, count)


def fractions(*shape, seed=21):
    return np.random.default_rng(seed).normal(size=shape)


def logistic(x, y):
    w = jnp.zeros((30,))
    for _ in range(10):
        w = w - 0.5 / 1000 * (x.T @ (jax.nn.sigmoid(x @ w) - y))
    return w


WORKS = {
    "compare64_100000": (jnp.less, lambda: (numbers(100_000), numbers(100_000, 3)), 7),
    "compare64_1000": (jnp.less, lambda: (numbers(1_000), numbers(1_000, 3)), 15),
    "compare64_10": (jnp.less, lambda: (numbers(10), numbers(10, 3)), 15),
    "threshold_1000": (lambda c: c * (c >= 100), lambda: (np.abs(numbers(1_000)),), 15),
    "multiply_1000000": (jnp.multiply, lambda: (numbers(1_000_000), numbers(1_000_000, 3)), 5),
    "matmul_500": (jnp.matmul, lambda: (fractions(500, 500), fractions(500, 500, seed=4)), 5),
    "xtx_secret": (lambda x: x.T @ x, lambda: (fractions(10_000, 20),), 3),
    "sort_10000": (jnp.sort, lambda: (numbers(10_000),), 3),
    "logistic_secret": (logistic, lambda: (fractions(1000, 30), np.arange(1000.0) % 2), 3),
}


def compiled(function, given):
    names = [f"in{number}" for number in range(len(given))]
    executable, _ = frontend.compile(
        frontend.Kind.JAX,
        function,
        given,
        {},
        names,
        [spu.Visibility.VIS_SECRET] * len(given),
        lambda flat: [f"out{number}" for number in range(len(flat))],
    )
    return executable


def party(rank, addresses, peer, work, shares, results):
    function, inputs, runs = WORKS[work]
    executable = compiled(function, inputs())
    description = libspu.link.Desc()
    for number, address in enumerate(addresses):
        description.add_party(f"p{number}", address)
    link = libspu.link.create_brpc(description, rank)
    config = libspu.RuntimeConfig(protocol=PROTOCOLS[peer][1], field=spu.FieldType.FM64)
    runtime = spu.Runtime(link, config)
    for name, share in zip(executable.input_names, shares, strict=True):
        runtime.set_var(name, share)
    seconds = []
    for _ in range(runs + 1):
        link.barrier()
        began = time.perf_counter()
        runtime.run(executable)
        seconds.append(time.perf_counter() - began)
    link.barrier()
    results.put((rank, seconds[1:], runtime.get_var(executable.output_names[0])))
    link.stop_link()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"127.0.0.1:{port}" for port in ports]


def run(peer, work):
    parties, kind, trust = PROTOCOLS[peer]
    function, inputs, _ = WORKS[work]
    given = inputs()
    io = spu.Io(parties, libspu.RuntimeConfig(protocol=kind, field=spu.FieldType.FM64))
    shares = [io.make_shares(array, spu.Visibility.VIS_SECRET) for array in given]
    context = multiprocessing.get_context("spawn")  # SPU starts threads when it is imported
    results, addresses = context.Queue(), free_ports(parties)
    processes = [
        context.Process(
            target=party, args=(rank, addresses, peer, work, [share[rank] for share in shares], results)
        )
        for rank in range(parties)
    ]
    for process in processes:
        process.start()
    found = sorted((results.get(timeout=200) for _ in processes), key=lambda item: item[0])
    for process in processes:
        process.join()
    opened = io.reconstruct([outcome for _, _, outcome in found])
    expected = np.asarray(function(*given))
    slowest = np.max([seconds for _, seconds, _ in found], axis=0)
    return {
        "work": work,
        "parties": parties,
        "peer": peer,
        "seconds": float(np.percentile(slowest, 10)),
        "largest_error": float(np.max(np.abs(opened.astype(float) - expected.astype(float)))),
        "trust": trust,
    }


if __name__ == "__main__":
    asked = sys.argv[1:] or WORKS
    rows = []
    for peer in PROTOCOLS:
        for work in asked:
            rows.append(run(peer, work))
            print(rows[-1], file=sys.stderr)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n")
