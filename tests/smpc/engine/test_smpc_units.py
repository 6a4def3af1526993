"""Ring, keystreams, sharing and session, each alone."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smpc import ring
from smpc.errors import PartyLostError, PeerRejectedError, RingRangeError
from smpc.randomness import Keystream, Purpose, ZeroShares, derive_key, fresh_key
from smpc.session import Session, active_session
from smpc.sharing import Shared, share
from smpc.simulator import simulate
from smpc.transport.memory import memory_meshes

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(WORDS, min_size=1, max_size=30), st.integers(1, 64))
def test_packing_keeps_the_lowest_bits_and_nothing_else(values, bits):
    data = ring.pack(np.array(values, np.int64), bits)
    assert len(data) == ring.packed_bytes(len(values), bits)
    mask = (1 << bits) - 1
    assert [int(v) & mask for v in ring.unpack(data, len(values), bits)] == [v & mask for v in values]
    same = np.array([v & mask for v in values], np.uint64).view(np.int64)
    assert ring.pack(same, bits) == data


@given(st.lists(WORDS, max_size=20))
def test_integers_of_the_ring_are_encoded_as_they_are(values):
    assert ring.encode(values).tolist() == values
    assert ring.encode(np.array(values, object)).tolist() == values


@pytest.mark.parametrize(
    "bad", [1 << 63, -(1 << 63) - 1, 1.0, True, np.float64(2), "7", None, np.bool_(1)], ids=repr
)
def test_what_is_no_integer_of_the_ring_is_refused(bad):
    with pytest.raises(RingRangeError) as caught:
        ring.encode([1, bad], what="age")
    assert str(caught.value).startswith("out of range: age")
    assert str(bad) not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        np.array([1.5]),
        np.array([1 << 63], np.uint64),
        np.array([True]),
        np.array([1 << 70], object),
        np.array(["a"]),
        np.array([1, "NaT"], "m8[s]"),  # a time is an integer to numpy, a missing one the lowest of all
    ],
    ids=["float", "uint64", "bool", "object", "text", "time"],
)
def test_arrays_that_do_not_fit_are_refused(bad):
    with pytest.raises(RingRangeError):
        ring.encode(bad)


def test_encoding_makes_a_copy_with_an_axis():
    original = np.arange(4, dtype=np.int64)
    encoded = ring.encode(original)
    encoded[0] = 9
    assert original[0] == 0
    assert ring.encode(np.array(5, np.int16)).shape == (1,)
    assert ring.encode(np.array(5, object)).shape == (1,)


@pytest.mark.parametrize("length", [0, 5, 7])
def test_packed_values_of_another_length_are_refused(length):
    with pytest.raises(RingRangeError):
        ring.unpack(bytes(length), 3, 16)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_planes_hold_one_bit_an_element(bits):
    plane = ring.pack_plane(np.array(bits, np.uint8))
    assert plane.size == ring.plane_bytes(len(bits))
    assert ring.plane_bits(plane, len(bits)).tolist() == bits


def test_a_keystream_is_aes_256_in_counter_mode_and_gives_no_byte_twice():
    key = bytes(range(32))
    stream = Keystream(key)
    sizes = [0, 1, 15, 16, 17, 300_000, 3]
    got = b"".join(stream.draw_bytes(size).tobytes() for size in sizes)
    encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    assert got == encryptor.update(bytes(sum(sizes)))
    assert stream.position == sum(sizes)
    assert key.hex() not in repr(stream)


@pytest.mark.parametrize("count", [0, 1, 32_767, 32_768, 32_769, 100_000])
@pytest.mark.parametrize("is_negative", [False, True])
def test_noise_added_in_place_equals_noise_drawn(count, is_negative):
    key = fresh_key()
    drawn, stream = Keystream(key), Keystream(key)
    for start in (5, -7):
        total = np.full(count, start)
        stream.add_to(total, is_negative=is_negative)
        np.testing.assert_array_equal(total, start + (-1) ** is_negative * drawn.draw_ring(count))
    assert stream.position == drawn.position


def test_ring_elements_come_from_the_whole_ring():
    drawn = Keystream(fresh_key()).draw_ring((200, 500))
    assert drawn.shape == (200, 500)
    # false alarm 1e-9: the highest byte of 100,000 words
    assert stats.chisquare(np.bincount(drawn.reshape(-1).view(np.uint8)[7::8], minlength=256)).pvalue > 1e-9


def zero_shares(n):
    keys = {(a, b): fresh_key() for a in range(n) for b in range(a + 1, n)}
    return [ZeroShares(r, {sum(p) - r: k for p, k in keys.items() if r in p}) for r in range(n)]


@given(n=st.integers(2, 8), bits=st.integers(1, 64))
def test_zero_shares_add_to_zero_and_are_fresh(n, bits):
    parties = zero_shares(n)
    seen = []
    for purpose in (Purpose.INPUT, Purpose.REVEAL, Purpose.INPUT):
        drawn = [party.additive((3, 2), purpose, bits) for party in parties]
        assert not np.any(ring.reduce_bits(np.sum(drawn, axis=0), bits))
        if bits < 64:
            assert all((d >= 0).all() and (d < 1 << bits).all() for d in drawn)
        seen.append(drawn[0].tobytes())
    if bits > 32:
        assert len(set(seen)) == 3
    assert not np.any(np.bitwise_xor.reduce([party.exclusive(17) for party in parties]))


def test_keys_for_one_use_do_not_give_those_for_another():
    secret = fresh_key()
    assert len({derive_key(secret, info) for info in (b"a", b"b", b"ab")}) == 3


@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(2, 8))
def test_shares_add_to_the_secret(values, n):
    secret = np.array(values, np.int64)
    parts = share(secret, n, Keystream(fresh_key()))
    assert len(parts) == n
    np.testing.assert_array_equal(np.sum([part.share for part in parts], axis=0), secret)


@pytest.mark.parametrize("secret", [0, -1, 1 << 62])
def test_every_single_share_is_uniform_whatever_the_secret(secret):
    """64 chi-squares of 20,000 words' bytes, false alarm 1e-9 each."""
    for part in share(np.full(20_000, secret, np.int64), 3, Keystream(fresh_key())):
        raw = part.share.view(np.uint8)
        assert stats.chisquare(np.bincount(raw, minlength=256)).pvalue > 1e-9


@pytest.mark.parametrize("n", [0, 1, 9])
def test_shares_for_one_party_or_nine_are_refused(n):
    with pytest.raises(RingRangeError):
        share(np.zeros(1, np.int64), n, Keystream(fresh_key()))


@pytest.mark.parametrize(
    "bad",
    [np.zeros(2), np.zeros(2, np.int32), np.array(3), [1, 2]],
    ids=["float", "int32", "no axis", "list"],
)
def test_a_share_is_an_int64_array(bad):
    with pytest.raises(RingRangeError):
        Shared(share=bad)


@pytest.mark.parametrize(("names", "session_id"), [(["ada"], bytes(32)), (["ada", "bob"], bytes(31))])
def test_a_session_of_one_or_with_a_short_id_is_refused(names, session_id):
    with pytest.raises(PeerRejectedError):
        Session(memory_meshes(names)[names[0]], session_id)


def test_a_session_that_is_not_open_gives_no_zero_shares():
    session = Session(memory_meshes(["ada", "bob"])["ada"], bytes(32))
    with pytest.raises(PeerRejectedError):
        session.zero_share(3)


def test_after_the_end_a_session_is_closed():
    kept = []
    simulate(kept.append, 2, prefetch=False).values()
    for session in kept:
        assert "rank" in repr(session)
        with pytest.raises(PeerRejectedError):
            session.zero_planes(3)


def test_threads_see_their_own_session_and_get_the_one_before_back():
    barrier = threading.Barrier(2)

    def joint(session):
        barrier.wait(5)
        assert active_session() is session
        with session.activated() as again:
            assert again is session is active_session()
        return active_session() is session

    assert active_session() is None
    assert simulate(joint, 2, prefetch=False).values() == [True, True]
    assert active_session() is None


def test_keys_are_bound_to_the_session_id():
    """Parties that hold different ids agree on keys that do not cancel: nothing that opens makes sense."""
    meshes = memory_meshes(["ada", "bob"])
    drawn = {}

    def take_part(name, session_id):
        with Session(meshes[name], session_id) as session:
            drawn[name] = session.zero_share(4)

    threads = [
        threading.Thread(target=take_part, args=(name, bytes([i]) * 32)) for i, name in enumerate(meshes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert np.all(drawn["ada"] + drawn["bob"] != 0)


def test_an_error_inside_a_session_reaches_the_others_with_its_name():
    def joint(session):
        if session.rank == 0:
            raise KeyError("own mistake")
        return session.exchange(6, b"x")

    run = simulate(joint, 3, prefetch=False)
    assert isinstance(run.errors["ada"], KeyError)
    assert all(
        run.errors[name].name == "ada" and isinstance(run.errors[name], PartyLostError)
        for name in ("bob", "cyd")
    )


def test_no_subpackage_but_the_engine_loads_torch():
    modules = "smpc.simulator, smpc.cost, smpc.operations.selection, smpc.operations.reveal, smpc.dealer.service, smpc.session"
    code = f"import sys, {modules}; print('torch' in sys.modules or 'crypten' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
