"""Attacks on the pool first: an obfuscator that is used twice gives the difference of two plaintexts away."""

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gmpy2
import numpy as np
import pytest

from federation.aggregation.update_cipher import POOL_PAYS_FROM, UpdateCipher
from federation.paillier import obfuscator_pool
from federation.paillier.cipher import Encryptor, Randomness, recipe_of
from federation.paillier.decrypt import Decryptor
from federation.paillier.obfuscator_pool import ObfuscatorPool

PLENTY = 400


def wait_until(is_true, limit_s=30.0):
    ends_at = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < ends_at, "not in time"
        time.sleep(0.005)


def is_obfuscator(value, key):
    """An n-th power modulo n^2: its order divides phi."""
    n_squared, phi = key.public.n_squared, (key.p - 1) * (key.q - 1)
    return 1 < value < n_squared and pow(int(value), phi, n_squared) == 1


def ciphertexts(data, width):
    return [int.from_bytes(data[i : i + width], "big") for i in range(0, len(data), width)]


@pytest.fixture
def pool(small_key):
    made = ObfuscatorPool(recipe_of(small_key.public, Randomness.HALF_LENGTH), most=PLENTY)
    yield made
    made.close()


@pytest.fixture
def full(pool):
    pool.fill(PLENTY)
    wait_until(lambda: len(pool) == PLENTY)
    return pool


def in_a_fork(work):
    """Run work in a forked copy of this process; its answer, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    text = os.read(reader, 1 << 16)
    os.close(reader)
    os.waitpid(child, 0)
    return text.decode()


def test_threads_that_race_never_get_the_same_obfuscator(full, small_key):
    gate = threading.Barrier(8)

    def work(_):
        gate.wait()
        return [int(u) for _ in range(40) for u in full.take(3)]

    with ThreadPoolExecutor(max_workers=8) as threads:
        taken = [u for some in threads.map(work, range(8)) for u in some]
    assert len(taken) >= PLENTY
    assert len(set(taken)) == len(taken)
    assert all(is_obfuscator(u, small_key) for u in taken[:20])


def test_a_forked_copy_of_the_process_has_no_obfuscator(full):
    entries = list(full._kept)

    def work():
        return [len(full), full.take(5), any(any(entry) for entry in entries), full._child]

    assert in_a_fork(work) == "[0, [], False, None]"
    assert len(full.take(5)) == 5, "the owner still has its own"


def test_a_fork_while_another_thread_holds_the_pool_neither_hangs_nor_gives_any(full):
    with full._changed:
        assert in_a_fork(lambda: (full.fill(9), full.take(2), full.close())[1]) == "[]"


def test_a_process_that_does_not_own_the_pool_gets_nothing_even_without_the_hook(full, monkeypatch):
    monkeypatch.setattr(obfuscator_pool.os, "getpid", lambda: full._owner + 1)
    assert full.take(5) == []
    full.fill(5)
    full.close()
    monkeypatch.undo()
    assert len(full) == PLENTY


def test_a_forked_copy_encrypts_with_obfuscators_of_its_own(small_key):
    encryptor = Encryptor(small_key.public)
    encryptor.pool.fill(20)
    wait_until(lambda: len(encryptor.pool) == 20)
    theirs = bytes.fromhex(in_a_fork(lambda: encryptor.encrypt([7] * 10).hex()).strip("'"))
    mine = encryptor.encrypt([7] * 20)
    encryptor.pool.close()
    width = small_key.public.ciphertext_bytes
    both = ciphertexts(theirs, width) + ciphertexts(mine, width)
    assert len(set(both)) == 30
    assert Decryptor(small_key).decrypt(theirs, count=10) == [7] * 10


def test_an_obfuscator_is_overwritten_before_it_is_given_out(full):
    entries = list(full._kept)
    taken = full.take(3)
    assert [any(entry) for entry in entries[-3:]] == [False] * 3
    assert all(any(entry) for entry in entries[:-3])
    assert all(int(u) > 1 for u in taken)


def test_an_encryption_that_fails_never_returns_its_obfuscators(small_key, monkeypatch):
    encryptor = Encryptor(small_key.public)
    encryptor.pool.fill(20)
    wait_until(lambda: len(encryptor.pool) == 20)
    encryptor.pool._wanted = 0

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("federation.paillier.cipher.serialise_ciphertexts", fail)
    with pytest.raises(MemoryError):
        encryptor.encrypt([1] * 5)
    assert len(encryptor.pool) == 15
    encryptor.pool.close()


@pytest.mark.parametrize(
    "copied", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_a_pool_is_neither_copied_nor_written(pool, copied):
    with pytest.raises(TypeError, match="neither copied nor written"):
        copied(pool)


def test_a_closed_pool_is_erased_and_its_child_gone(full):
    entries, child = list(full._kept), full._child
    full.close()
    assert not any(any(entry) for entry in entries)
    assert (full.take(3), len(full)) == ([], 0)
    assert child.poll() is not None
    full.fill(10)
    assert full._thread is None


def test_a_killed_child_costs_time_only(small_key):
    encryptor = Encryptor(small_key.public)
    encryptor.pool.fill(PLENTY)
    wait_until(lambda: len(encryptor.pool) > 10)
    encryptor.pool._child.send_signal(signal.SIGKILL)
    wait_until(lambda: encryptor.pool._thread is None)
    encryptor.pool.take(PLENTY)
    assert len(encryptor.pool) == 0
    data = encryptor.encrypt([3] * 4)
    assert Decryptor(small_key).decrypt(data, count=4) == [3] * 4
    assert encryptor.pool._thread is None, "it does not start child after child"
    encryptor.pool._no_child_before_s = 0.0
    encryptor.pool.fill(5)
    wait_until(lambda: len(encryptor.pool) >= 5)
    encryptor.pool.close()


def test_half_an_obfuscator_from_a_dying_child_is_not_used(pool, monkeypatch):
    script = "import sys; sys.stdin.readline(); sys.stdout.buffer.write(b'x' * 100); sys.stdout.flush()"
    monkeypatch.setattr(obfuscator_pool, "start_child", lambda _: started(script))
    pool.fill(5)
    wait_until(lambda: pool._no_child_before_s > 0 and pool._thread is None)
    assert len(pool) == 0


def started(script):
    return subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, bufsize=0)


def test_the_child_ends_with_its_parent():
    script = (
        "from federation.paillier.obfuscator_pool import ObfuscatorPool\n"
        "from federation.paillier.obfuscators import Recipe\n"
        "import time\n"
        "pool = ObfuscatorPool(Recipe(n=(2**107 - 1) * (2**127 - 1), base=5, exponent_bytes=8))\n"
        "pool.fill(50)\n"
        "while len(pool) < 50: time.sleep(0.01)\n"
        "print(pool._child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(pid))


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_child_is_told_nothing_by_argument_or_environment(full, small_key):
    with open(f"/proc/{full._child.pid}/cmdline", "rb") as arguments:
        assert f"{small_key.public.n:x}".encode() not in arguments.read()
    with open(f"/proc/{full._child.pid}/limits") as limits:
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
    assert core[4:6] == ["0", "0"]


def test_the_pool_is_bounded_and_refills(full):
    time.sleep(0.1)
    assert len(full) == PLENTY
    full.take(50)
    wait_until(lambda: len(full) == PLENTY)
    assert repr(full) == f"ObfuscatorPool({PLENTY} of {PLENTY})"
    full.fill(10**9)
    assert full._wanted == PLENTY


def test_an_idle_child_is_ended_and_a_new_one_refills(small_key):
    pool = ObfuscatorPool(recipe_of(small_key.public, Randomness.FULL), idle_s=0.05)
    pool.fill(3)
    wait_until(lambda: len(pool) == 3 and pool._thread is None)
    first = [int(u) for u in pool.take(2)]
    wait_until(lambda: len(pool) == 3)
    assert not set(first) & {int(u) for u in pool.take(3)}
    pool.close()


def test_a_pool_that_is_dropped_leaves_the_watch(small_key):
    pool = ObfuscatorPool(recipe_of(small_key.public, Randomness.HALF_LENGTH))
    assert pool in obfuscator_pool._pools
    size = len(obfuscator_pool._pools)
    del pool
    gc.collect()
    assert len(obfuscator_pool._pools) < size


@pytest.mark.parametrize("randomness", list(Randomness))
def test_from_the_pool_and_on_the_spot_decrypt_alike(small_key, randomness):
    encryptor = Encryptor(small_key.public, randomness=randomness)
    encryptor.pool.fill(6)
    wait_until(lambda: len(encryptor.pool) == 6)
    values = list(range(20))
    data = encryptor.encrypt(values)
    encryptor.pool.close()
    assert Decryptor(small_key).decrypt(data, count=20) == values
    assert len(set(ciphertexts(data, small_key.public.ciphertext_bytes))) == 20


def test_what_comes_from_the_pool_is_a_power_of_the_base(full, small_key):
    n, p, q = small_key.public.n, small_key.p, small_key.q
    for u in full.take(10):
        assert is_obfuscator(u, small_key)
        # h generates elements of Jacobi symbol 1 only, and n is odd
        assert (
            gmpy2.jacobi(int(u) % n, n) == gmpy2.legendre(int(u) % p, p) * gmpy2.legendre(int(u) % q, q) == 1
        )


def test_an_update_of_some_size_fills_the_pool_and_a_small_one_starts_no_process(stage, small_key):
    keys = {"b": bytes(32), "c": bytes([1]) * 32}
    encryptor = Encryptor(small_key.public)
    cipher = UpdateCipher(encryptor, SimpleNamespace(site="a"))
    small, large = stage.manifest(length=40), stage.manifest(length=1500)
    assert small.layout.count < POOL_PAYS_FROM < large.layout.count < PLENTY
    cipher.prepare(small)
    assert encryptor.pool._thread is None
    cipher.prepare(large)
    wait_until(lambda: len(encryptor.pool) == large.layout.count)
    child = encryptor.pool._child
    encryptor._source.draw = None  # every obfuscator has to come from the pool
    cipher.update(np.arange(1500) % 7, large, keys)
    wait_until(lambda: len(encryptor.pool) == large.layout.count)
    cipher.close()
    assert child.poll() is not None
