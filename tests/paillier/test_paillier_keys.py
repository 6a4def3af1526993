import dataclasses
import json
import math
import os
import re
from pathlib import Path

import gmpy2
import pytest

from federation.errors import KeyMismatchError
from federation.paillier import keys as keys_module
from federation.paillier import short_keys
from federation.paillier.key_files import (
    PRIVATE_FORMAT,
    accept_public_key,
    create_private_key_file,
    load_private_key,
)
from federation.paillier.keys import DEFAULT_BITS, PrivateKey, PublicKey, generate_private_key
from federation.paillier.validation import small_primes_product

ROOT = Path(__file__).parents[2]


def _next_prime(start, residue=3, modulus=4, *, rough=True):
    prime = int(gmpy2.next_prime(start))
    while prime % modulus != residue or (rough and gmpy2.gcd(prime // 2, small_primes_product()) != 1):
        prime = int(gmpy2.next_prime(prime))
    return prime


def test_default_size_is_3072_and_the_primes_meet_every_condition(product_key):
    assert DEFAULT_BITS == 3072
    p, q, n = product_key.p, product_key.q, product_key.public.n
    assert n == p * q
    assert n.bit_length() == 2048
    assert all(gmpy2.is_prime(x) and x % 4 == 3 and x.bit_length() == 1024 for x in (p, q))
    assert math.gcd(p - 1, q - 1) == 2
    assert math.gcd(n, (p - 1) * (q - 1)) == 1
    assert abs(p - q) > 1 << (1024 - 100)
    trial = [f for f in range(3, 2000, 2) if (p - 1) % f == 0 or (q - 1) % f == 0]
    assert trial == []


def test_two_keys_differ(small_key, foreign_key):
    assert small_key.public != foreign_key.public
    assert small_key.public.fingerprint != foreign_key.public.fingerprint


@pytest.mark.parametrize("bits", [2046, 1024, 512, 0, -2048, 2049, 2048.0, True, "2048", None])
def test_sizes_below_the_floor_or_odd_or_of_another_type_are_refused(bits):
    with pytest.raises(KeyMismatchError):
        generate_private_key(bits=bits)


@pytest.mark.parametrize("bits", [128, 254, 257])
def test_even_a_testing_key_has_a_floor(bits):
    with pytest.raises(KeyMismatchError):
        generate_private_key(testing_bits=bits)


def test_a_small_modulus_is_no_public_key_without_the_testing_argument(small_key):
    with pytest.raises(KeyMismatchError, match="512 bits, at least 2048"):
        PublicKey(small_key.public.n)
    with pytest.raises(KeyMismatchError, match="512 bits, at least 2048"):
        PrivateKey(small_key.p, small_key.q)


def test_testing_bits_is_written_nowhere_in_the_product_but_in_keys():
    makers = {Path(keys_module.__file__), Path(short_keys.__file__)}
    sources = [p for p in ROOT.joinpath("federation").rglob("*.py") if p not in makers]
    assert len(sources) > 5
    assert [str(p) for p in sources if re.search(r"testing_bits|TESTING_FLOOR", p.read_text())] == []


MODULI = {
    "even": lambda p, q: p * q + 1,
    "prime": lambda p, q: int(gmpy2.next_prime(1 << 2047)),
    "square": lambda p, q: (p * q) ** 2,
    "cube": lambda p, q: int(gmpy2.next_prime(1 << 700)) ** 3,
    "factor 65521": lambda p, q: 65521 * p * q,
    "factor 3": lambda p, q: 3 * p * q,
    "2047 bits": lambda p, q: p * q >> 1 | 1,
    "huge": lambda p, q: (1 << 20000) + 1,
    "zero": lambda p, q: 0,
    "negative": lambda p, q: -p * q,
    "bool": lambda p, q: True,
    "float": lambda p, q: float(1 << 900),
    "string": lambda p, q: "12345",
    "mpz": lambda p, q: gmpy2.mpz(p * q),
}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("even", "even"),
        ("prime", "prime"),
        ("square", "perfect power"),
        ("cube", "perfect power"),
        ("factor 65521", "prime factor below"),
        ("factor 3", "prime factor below"),
        ("2047 bits", "2047 bits, at least 2048"),
        ("huge", "at most"),
        ("zero", "positive integer"),
        ("negative", "positive integer"),
        ("bool", "positive integer"),
        ("float", "positive integer"),
        ("string", "positive integer"),
        ("mpz", "positive integer"),
    ],
)
def test_a_bad_modulus_is_refused_by_its_fault(product_key, kind, says):
    with pytest.raises(KeyMismatchError, match=says) as caught:
        PublicKey(MODULI[kind](product_key.p, product_key.q))
    assert says in caught.value.reason


def test_bad_primes_are_refused_by_their_fault(product_key):
    p, q = product_key.p, product_key.q
    one_mod_four = _next_prime(1 << 1023, residue=1)
    smooth = _next_prime((1 << 1023) + 1, residue=7, modulus=12, rough=False)  # 3 divides p - 1
    near = _next_prime(p + 2)
    for pair, says in [
        ((p, q + 2), "not a prime"),
        ((p * q, q), "not a prime"),
        ((p, 1), "not a prime"),
        ((True, q), "not a prime"),
        ((p, p), "too close"),
        ((p, near), "too close"),
        ((p, one_mod_four), "3 modulo 4|small odd factor"),
        ((p, smooth), "small odd factor"),
    ]:
        with pytest.raises(KeyMismatchError, match=says):
            PrivateKey(*pair)


def test_a_prime_of_one_modulo_four_is_named():
    # gcd conditions hold by construction of the check order: the residue is what is left to fail
    assert keys_module.pair_mistake(13, 7 + (1 << 60)) == "p and q are not both 3 modulo 4"
    assert keys_module.pair_mistake(7, 19) == "p - 1 and q - 1 share more than the factor 2"
    # q = 2 * 3 * p + 1 divides into phi: gcd(n, phi) = p
    assert keys_module.pair_mistake(11, 23) == "n and phi(n) share a factor"


def test_reprs_and_errors_show_neither_prime(product_key):
    text = repr(product_key) + str(product_key) + f"{dataclasses.replace(product_key)!r}"
    for secret in (product_key.p, product_key.q):
        for form in (str(secret), f"{secret:x}"):
            assert form[:24] not in text
    assert "2048 bits" in text


def test_a_stored_key_comes_back_and_its_file_is_private(tmp_path):
    old = os.umask(0)
    try:
        public = create_private_key_file(tmp_path / "key", bits=2048)
    finally:
        os.umask(old)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
    assert load_private_key(tmp_path / "key").public == public
    with pytest.raises(KeyMismatchError, match="never overwritten"):
        create_private_key_file(tmp_path / "key", bits=2048)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(KeyMismatchError, match="0600"):
        load_private_key(tmp_path / "key")


def test_a_small_key_cannot_come_in_by_a_file(tmp_path, small_key):
    path = tmp_path / "key"
    path.write_text(
        json.dumps(
            {"format": "crossward/paillier-private/1", "p": f"{small_key.p:x}", "q": f"{small_key.q:x}"}
        )
    )
    path.chmod(0o600)
    with pytest.raises(KeyMismatchError, match="at least 2048"):
        load_private_key(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "not json",
        '{"format": "other", "p": "3", "q": "7"}',
        '{"format": "crossward/paillier-private/1", "p": 3, "q": "7"}',
        '{"format": "crossward/paillier-private/1", "p": "zz", "q": "7"}',
        '{"format": "crossward/paillier-private/1", "p": "3"}',
        " " * 20_000,
    ],
)
def test_an_invalid_key_file_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyMismatchError, match="not a key file") as caught:
        load_private_key(path)
    assert caught.value.__cause__ is None


def test_missing_files_links_and_directories_are_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("nothing", "link", "."):
        with pytest.raises(KeyMismatchError):
            load_private_key(tmp_path / name)


def test_a_public_key_is_accepted_only_under_its_pinned_fingerprint(product_key, foreign_key):
    public = product_key.public
    assert accept_public_key(public.to_bytes(), fingerprint=public.fingerprint) == public
    with pytest.raises(KeyMismatchError, match="pinned fingerprint"):
        accept_public_key(public.to_bytes(), fingerprint=foreign_key.public.fingerprint)
    for data in (b"", b"\0" + public.to_bytes(), b"\1" * 5000, foreign_key.public.to_bytes()):
        with pytest.raises(KeyMismatchError):
            accept_public_key(data, fingerprint=public.fingerprint)


def test_the_fingerprint_is_of_n_alone(product_key):
    assert re.fullmatch("[0-9a-f]{64}", product_key.public.fingerprint)
    assert PublicKey(product_key.public.n).fingerprint == product_key.public.fingerprint
    assert hash(PublicKey(product_key.public.n)) == hash(product_key.public)


def test_primes_of_different_sizes_are_refused():
    """A modulus of 2048 bits with a factor of 256 would be found by factoring, whatever its length says."""
    p, q = keys_module._prime(256), keys_module._prime(2048 - 256)
    while math.gcd(p - 1, q - 1) != 2:
        p = keys_module._prime(256)
    with pytest.raises(KeyMismatchError, match="not of one size"):
        PrivateKey(p, q)


@pytest.mark.parametrize(
    "extra", [{"alpha": "ab"}, {"h": "3"}, {"format": "crossward/paillier-short/1"}], ids=str
)
def test_a_key_file_of_another_type_is_no_key(tmp_path, product_key, extra):
    """A key file of full exponents names no subgroup, and there is no third type."""
    fields = {"format": PRIVATE_FORMAT, "p": f"{product_key.p:x}", "q": f"{product_key.q:x}"} | extra
    path = tmp_path / "paillier.key"
    path.touch(mode=0o600)
    path.write_text(json.dumps(fields))
    with pytest.raises(KeyMismatchError, match="not a key file"):
        load_private_key(path)
