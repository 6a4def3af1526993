"""Keys of short exponents: what they must not let through, and that nothing takes the short way unasked."""

import math
import secrets

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.aggregation.manifest import Attempt, Manifest, vector_for
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.secure_sum import SecureSum, check_key
from federation.aggregation.update_cipher import UpdateCipher
from federation.errors import CiphertextInvalidError, KeyMismatchError
from federation.paillier.cipher import SHORT_EXPONENT_BYTES, Encryptor, Randomness, add_vectors
from federation.paillier.decrypt import REFUSED_SUM, Decryptor
from federation.paillier.key_files import create_private_key_file, load_private_key
from federation.paillier.keys import SUBGROUP_BITS, PrivateKey, PublicKey, generate_private_key
from federation.paillier.packing import Layout
from federation.paillier.short_keys import generate_short_key
from federation.paillier.validation import base_mistake


@pytest.fixture(scope="module")
def short():
    return generate_short_key(testing_bits=512)


@pytest.fixture(scope="module")
def large():
    return generate_short_key(bits=2048)


@pytest.fixture(scope="module")
def decryptor(short):
    return Decryptor(short)


def as_bytes(key, *values):
    width = key.public.ciphertext_bytes
    return b"".join((int(value) % key.public.n_squared).to_bytes(width, "big") for value in values)


def test_a_product_key_meets_every_condition(large):
    a, b = large.subgroup
    assert a != b
    assert a.bit_length() == b.bit_length() == SUBGROUP_BITS
    assert (large.p - 1) % a == (large.q - 1) % b == 0
    assert large.p % 4 == large.q % 4 == 3
    assert math.gcd(large.p - 1, large.q - 1) == 2
    assert large.public.bits == 2048
    # the base has exactly the order a b, so that it is 1 modulo neither prime
    base, n = large.base, large.public.n
    assert pow(base, a * b, n) == 1
    assert 1 not in {pow(base, a, n), pow(base, b, n), base % large.p, base % large.q}
    assert base_mistake(n, base) is None


def test_encrypts_adds_and_decrypts_by_the_short_way_alone(large, monkeypatch):
    encryptor, taken = Encryptor(large.public), Decryptor(large)
    assert (taken._exponent_p, taken._exponent_q) == large.subgroup
    values = [0, 1, large.public.n - 1, 1 << 2000]
    total = add_vectors(large.public, [encryptor.encrypt(values), encryptor.encrypt(values)], count=4)
    assert taken.decrypt(total, count=4) == [2 * value % large.public.n for value in values]
    # an independent way: the full exponents of the same primes
    assert Decryptor(PrivateKey(large.p, large.q)).decrypt(total, count=4) == taken.decrypt(total, count=4)
    theirs = large.to_phe()
    width = large.public.ciphertext_bytes
    assert [theirs.raw_decrypt(int.from_bytes(total[i * width :][:width], "big")) for i in range(4)] == [
        2 * value % large.public.n for value in values
    ]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_law_a_sum_decrypts_to_the_sum(short, decryptor, data):
    n = short.public.n
    rows = data.draw(
        st.lists(st.lists(st.integers(0, n - 1), min_size=3, max_size=3), min_size=1, max_size=4)
    )
    encryptor = Encryptor(short.public)
    total = add_vectors(short.public, [encryptor.encrypt(row) for row in rows], count=3)
    assert decryptor.decrypt(total, count=3) == [sum(column) % n for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "forged",
    ["-1", "-1 times a ciphertext", "of another subgroup", "of full randomness", "a root of 1 mod p alone"],
)
def test_attack_what_is_no_ciphertext_of_the_subgroup_is_refused_before_the_logarithm(
    short, forged, processes
):
    n, n_squared = short.public.n, short.public.n_squared
    good = int.from_bytes(Encryptor(short.public).encrypt([5]), "big")
    root_p = int(gmpy2.powmod(-1, 1, short.p))  # -1 modulo p, 1 modulo q
    root = root_p + (1 - root_p) * pow(short.p, -1, short.q) % short.q * short.p
    value = {
        "-1": n_squared - 1,
        "-1 times a ciphertext": n_squared - good,
        "of another subgroup": good * pow(3, n, n_squared) % n_squared,
        "of full randomness": pow(secrets.randbelow(n - 2) + 2, n, n_squared),
        "a root of 1 mod p alone": pow(root, n, n_squared) * good % n_squared,
    }[forged]
    data = as_bytes(short, *[good] * 60, value)
    with pytest.raises(CiphertextInvalidError) as caught:
        Decryptor(short, processes=processes).decrypt(data, count=61)
    assert (caught.value.reason, caught.value.index) == (REFUSED_SUM, None)


@pytest.mark.parametrize("factor", [0, 1, 7])
def test_attack_a_multiple_of_n_is_refused_before_any_power(short, decryptor, factor):
    with pytest.raises(CiphertextInvalidError):
        decryptor.decrypt(as_bytes(short, factor * short.public.n), count=1)


def test_what_phe_encrypts_is_refused_by_the_short_way(short, decryptor):
    with pytest.raises(CiphertextInvalidError) as caught:
        decryptor.decrypt(as_bytes(short, short.public.to_phe().raw_encrypt(5)), count=1)
    assert caught.value.reason == REFUSED_SUM


def test_a_key_that_was_not_made_for_it_never_takes_the_short_way(small_key, short):
    for key in (small_key, PrivateKey(short.p, short.q, 512)):
        assert (key.subgroup, key.base, key.public.is_short) == (None, 0, False)
        taken = Decryptor(key)
        assert (taken._exponent_p, taken._exponent_q) == (key.p - 1, key.q - 1)


def test_keys_are_of_full_exponents_unless_asked(tmp_path):
    assert generate_private_key(testing_bits=512).subgroup is None
    assert not create_private_key_file(tmp_path / "key", bits=2048).is_short
    assert load_private_key(tmp_path / "key").subgroup is None


def test_a_key_file_of_short_exponents_comes_back_whole(tmp_path):
    public = create_private_key_file(tmp_path / "key", bits=2048, key_type="short-exponent")
    key = load_private_key(tmp_path / "key")
    assert (key.public, key.public.fingerprint) == (public, public.fingerprint)
    assert key.subgroup is not None
    with pytest.raises(KeyMismatchError, match="type of a key"):
        create_private_key_file(tmp_path / "other", key_type="fast")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "change", ["equal", "short", "composite", "not a divisor", "base 1", "other base", "alone", "no base"]
)
def test_a_bad_subgroup_is_refused(short, change):
    (a, b), base = short.subgroup, short.base
    subgroup, base = {
        "equal": ((a, a), base),
        "short": ((3, b), base),
        "composite": ((a * 2, b), base),
        "not a divisor": ((b, a), base),
        "base 1": ((a, b), 1),
        "other base": ((a, b), base + 1),
        "alone": (None, base),
        "no base": ((a, b), 0),
    }[change]
    with pytest.raises(KeyMismatchError):
        PrivateKey(short.p, short.q, 512, base=base, subgroup=subgroup)


def test_a_subgroup_below_the_floor_is_refused_outside_of_tests(large):
    small = generate_short_key(testing_bits=2048)
    with pytest.raises(KeyMismatchError, match="fewer than 256 bits"):
        PrivateKey(small.p, small.q, base=small.base, subgroup=small.subgroup)
    assert PrivateKey(large.p, large.q, base=large.base, subgroup=large.subgroup).public == large.public


@pytest.mark.parametrize("bits", [1024, 2047, 3074, 4096, "3072"])
def test_sizes_outside_of_the_range_are_refused(bits):
    with pytest.raises(KeyMismatchError):
        generate_short_key(bits=bits)


@pytest.mark.parametrize(
    "bad", ["1", "n - 1", "0 mod p", "order 2 mod p", "small order", "Jacobi -1", "not an integer", "n"]
)
def test_a_site_checks_the_base(short, bad):
    n, p, q = short.public.n, short.p, short.q

    def joined(modulo_p, modulo_q):
        return modulo_p + (modulo_q - modulo_p) * pow(p, -1, q) % q * p

    base = {
        "1": 1,
        "n - 1": n - 1,
        "0 mod p": 4 * p,
        "order 2 mod p": joined(1, short.base % q),
        "small order": joined(p - 1, q - 1),
        "Jacobi -1": next(x for x in range(2, 100) if gmpy2.jacobi(x, n) == -1),
        "not an integer": float(short.base),
        "n": n + 4,
    }[bad]
    with pytest.raises(KeyMismatchError):
        PublicKey(n, 512, base=base)


def test_fingerprint_and_type_bind_the_base(short):
    full = PublicKey(short.public.n, 512)
    other = PublicKey(short.public.n, 512, base=pow(short.base, 2, short.public.n))
    assert len({full.fingerprint, other.fingerprint, short.public.fingerprint}) == 3
    assert (full.key_type, short.public.key_type) == ("full-exponent", "short-exponent")
    assert str(short.base) not in repr(short) + repr(short.public)
    assert str(short.subgroup[0]) not in repr(short)


def manifest_of(key, key_type):
    return Manifest(
        attempt=Attempt(run="run", round_number=0, attempt=0),
        cohort=("a", "b", "c"),
        layout=Layout(key_bits=512, length=40, contributors=3, half_range=1000),
        key_fingerprint=key.public.fingerprint,
        key_type=key_type,
    )


def test_the_type_of_the_key_stands_in_the_plan(short):
    check_key(manifest_of(short, "short-exponent"), short.public)
    with pytest.raises(KeyMismatchError):
        check_key(manifest_of(short, "full-exponent"), short.public)
    assert manifest_of(short, "short-exponent").to_dict()["masks"] == "pairwise"


def test_a_whole_round_under_masks(short, answers):
    manifest = manifest_of(short, "short-exponent")
    pairs = {("a", "b"): b"1" * 32, ("a", "c"): b"2" * 32, ("b", "c"): b"3" * 32}
    aggregator, updates = SecureSum(short.public), {}
    for value, site in enumerate(manifest.cohort, start=1):
        keys = {
            one if site == other else other: key
            for (one, other), key in pairs.items()
            if site in {one, other}
        }
        cipher = UpdateCipher(Encryptor(short.public), type("Keys", (), {"site": site})())
        updates[site] = cipher.update(np.full(40, value), manifest, keys)
        aggregator.take(manifest, updates[site], sender=site)
    holder = KeyHolder(short, answers)
    opened = holder.open_sum(manifest, aggregator.total(manifest), sender="aggregator")
    assert opened.tolist() == [6] * 40
    alone = Decryptor(short).decrypt(updates["a"].ciphertexts, count=manifest.layout.count)
    assert max(alone) > 1 << 400, "one update alone is a number modulo n under its mask"


def test_the_other_randomness_is_refused_under_such_a_key(short):
    with pytest.raises(KeyMismatchError, match="own base alone"):
        Encryptor(short.public, randomness=Randomness.FULL)


def test_exponents_are_longer_than_the_order_by_128_bits(large, monkeypatch):
    asked, real = [], secrets.token_bytes
    monkeypatch.setattr(
        "federation.paillier.obfuscators.secrets.token_bytes", lambda n: asked.append(n) or real(n)
    )
    Encryptor(large.public).encrypt([1, 2])
    assert asked == [SHORT_EXPONENT_BYTES] * 2
    assert (large.subgroup[0] * large.subgroup[1]).bit_length() + 128 <= 8 * SHORT_EXPONENT_BYTES


def test_vectors_of_the_two_types_do_not_mix(short):
    manifest = manifest_of(short, "short-exponent")
    aggregator = SecureSum(PublicKey(short.public.n, 512))
    with pytest.raises(KeyMismatchError):
        aggregator.begin(manifest)
    assert vector_for(manifest, b"").key_fingerprint == short.public.fingerprint
