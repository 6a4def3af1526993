import hashlib
import math

import gmpy2
import phe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import CiphertextInvalidError
from federation.paillier import obfuscators
from federation.paillier.cipher import Encryptor, Randomness, add_vectors, derived_base
from federation.paillier.decrypt import Decryptor
from federation.paillier.validation import ciphertext_bytes, parse_ciphertexts, serialise_ciphertexts

BOTH = list(Randomness)


@pytest.fixture(scope="module", params=BOTH)
def any_encryptor(request, small_key):
    return Encryptor(small_key.public, randomness=request.param)


@pytest.fixture(scope="module")
def decryptor(small_key):
    return Decryptor(small_key)


plaintexts = st.lists(st.one_of(st.integers(0, 3), st.integers(0, (1 << 511) - 1)), min_size=1, max_size=4)


@settings(max_examples=25)
@given(st.data())
def test_law_decryption_undoes_encryption_and_addition_adds(any_encryptor, decryptor, data):
    first = data.draw(plaintexts)
    others = data.draw(st.lists(st.just(first).flatmap(st.permutations), max_size=3))
    vectors = [any_encryptor.encrypt(v) for v in [first, *others]]
    assert decryptor.decrypt(vectors[0], count=len(first)) == first
    total = add_vectors(any_encryptor.key, vectors, count=len(first))
    n = any_encryptor.key.n
    assert decryptor.decrypt(total, count=len(first)) == [
        sum(c) % n for c in zip(first, *others, strict=True)
    ]


@settings(max_examples=15)
@given(st.lists(st.integers(0, (1 << 500)), min_size=1, max_size=3))
def test_law_phe_reads_ours_we_read_phes_and_mixed_sums_are_exact(
    small_key, any_encryptor, decryptor, values
):
    theirs_public, theirs = small_key.public.to_phe(), small_key.to_phe()
    ours = any_encryptor.encrypt(values)
    width = small_key.public.ciphertext_bytes
    raw = [int(c) for c in parse_ciphertexts(ours, n=small_key.public.n, count=len(values))]
    assert [theirs.raw_decrypt(c) for c in raw] == values
    assert [theirs.decrypt(phe.EncryptedNumber(theirs_public, c, 0)) for c in raw] == values

    foreign = [theirs_public.encrypt(v) for v in values]
    assert [number.exponent for number in foreign] == [0] * len(values)
    foreign_bytes = b"".join(number.ciphertext().to_bytes(width, "big") for number in foreign)
    assert decryptor.decrypt(foreign_bytes, count=len(values)) == values

    mixed = add_vectors(small_key.public, [ours, foreign_bytes], count=len(values))
    assert decryptor.decrypt(mixed, count=len(values)) == [2 * v for v in values]
    phe_mixed = [
        number + phe.EncryptedNumber(theirs_public, c, 0) for number, c in zip(foreign, raw, strict=True)
    ]
    assert [theirs.decrypt(number) for number in phe_mixed] == [2 * v for v in values]


@pytest.mark.parametrize("randomness", BOTH)
def test_interoperable_at_a_product_size(product_key, randomness):
    encryptor = Encryptor(product_key.public, randomness=randomness)
    data = encryptor.encrypt([0, 1, 12345, product_key.public.n - 1])
    assert len(data) == 4 * 512
    raw = [int(c) for c in parse_ciphertexts(data, n=product_key.public.n, count=4)]
    assert [product_key.to_phe().raw_decrypt(c) for c in raw] == [0, 1, 12345, product_key.public.n - 1]
    assert Decryptor(product_key).decrypt(data, count=4) == [0, 1, 12345, product_key.public.n - 1]


def test_no_two_ciphertexts_of_one_plaintext_are_alike(any_encryptor):
    width = any_encryptor.key.ciphertext_bytes
    data = any_encryptor.encrypt([5] * 120)  # on both sides of the table's threshold
    assert len({data[i : i + width] for i in range(0, len(data), width)}) == 120


def test_the_table_gives_the_powers_of_the_base(small_key, monkeypatch):
    encryptor = Encryptor(small_key.public)
    n, n_squared = small_key.public.n, small_key.public.n_squared
    base = pow(derived_base(n), n, n_squared)
    assert encryptor._source.recipe.exponent_bytes * 8 == 256  # half of 512
    for exponent in (0, 1, 255, 256, 2**256 - 1, 2**256 // 3):
        monkeypatch.setattr(
            obfuscators.secrets, "token_bytes", lambda size, e=exponent: e.to_bytes(size, "little")
        )
        plain = encryptor._source.draw()
        encryptor._prepare(1000)
        assert encryptor._source.has_table
        assert encryptor._source.draw() == plain == pow(base, exponent, n_squared)
        encryptor._source._table = None


def test_a_small_model_never_pays_for_the_table(small_key):
    encryptor = Encryptor(small_key.public)
    for _ in range(47):
        encryptor.encrypt([1])
    assert not encryptor._source.has_table
    encryptor.encrypt([1])
    assert encryptor._source.has_table


@pytest.mark.parametrize("bits", [512, 2048])
def test_exponents_have_half_the_bits_of_n(bits, small_key, product_key, monkeypatch):
    asked = []
    real = obfuscators.secrets.token_bytes
    monkeypatch.setattr(obfuscators.secrets, "token_bytes", lambda size: asked.append(size) or real(size))
    Encryptor((small_key if bits == 512 else product_key).public).encrypt([1, 2])
    assert asked == [bits // 16] * 2


def test_the_base_is_minus_a_square_that_any_party_can_derive(small_key):
    n = small_key.public.n
    h = derived_base(n)
    seed = b"crossward/paillier/base/1\n" + bytes(4) + n.to_bytes(64, "big")
    x = int.from_bytes(hashlib.shake_256(seed).digest(80), "big") % n
    assert (h + x * x) % n == 0
    assert gmpy2.jacobi(h, n) == 1
    # -1 is a square modulo neither prime, so h is a square modulo neither
    assert gmpy2.legendre(h, small_key.p) == gmpy2.legendre(h, small_key.q) == -1
    assert derived_base(n) == h


def test_the_base_of_a_fixed_modulus_never_changes():
    # computed apart, with hashlib alone: a change here makes old and new nodes disagree about the base
    expected = 49718227357976124666608647787111577770645510777423761967127118358
    assert derived_base((2**127 - 1) * (2**89 - 1)) == expected


def test_obfuscators_are_nth_powers(small_key, any_encryptor):
    value = parse_ciphertexts(any_encryptor.encrypt([0]), n=small_key.public.n, count=1)[0]
    phi = (small_key.p - 1) * (small_key.q - 1)
    assert pow(int(value), phi, small_key.public.n_squared) == 1


@pytest.mark.parametrize("bad", [-1, "n", "n+5", True, 1.0, None, "5", gmpy2.mpz(3)], ids=repr)
def test_a_plaintext_outside_of_zero_to_n_is_refused(encryptor, bad):
    n = encryptor.key.n
    value = {"n": n, "n+5": n + 5}.get(bad, bad) if isinstance(bad, str) else bad
    with pytest.raises(CiphertextInvalidError) as caught:
        encryptor.encrypt([1, value])
    assert caught.value.index == 1


def test_the_format_is_ciphertexts_and_nothing_else(encryptor):
    width = encryptor.key.ciphertext_bytes
    assert width == ciphertext_bytes(encryptor.key.n) == 128
    assert [len(encryptor.encrypt([1] * k)) for k in range(4)] == [0, width, 2 * width, 3 * width]
    values = [1, encryptor.key.n_squared - 1]
    data = serialise_ciphertexts(values, n=encryptor.key.n)
    assert data[:width] == bytes(width - 1) + b"\1"
    assert parse_ciphertexts(data, n=encryptor.key.n, count=2) == values


def bad_ciphertexts(key):
    n, p = key.public.n, key.p
    top = (1 << (8 * key.public.ciphertext_bytes)) - 1
    return {
        "0": 0,
        "n": n,
        "7n": 7 * n,
        "n(n-1)": n * (n - 1),
        "n^2": n * n,
        "n^2+1": n * n + 1,
        "all ones": top,
        "p": p,
        "a multiple of p": 12345 * p,
        "q^2": key.q * key.q,
    }


KINDS = ["0", "n", "7n", "n(n-1)", "n^2", "n^2+1", "all ones", "p", "a multiple of p", "q^2"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_ciphertext_is_neither_added_nor_decrypted(
    small_key, encryptor, decryptor, kind, place, monkeypatch
):
    width = small_key.public.ciphertext_bytes
    good = encryptor.encrypt([1, 2, 3])
    bad = bad_ciphertexts(small_key)[kind].to_bytes(width, "big")
    data = good[: place * width] + bad + good[(place + 1) * width :]
    monkeypatch.setattr(Decryptor, "_decrypt_one", None)  # any decryption would be a TypeError
    for refused in (
        lambda: decryptor.decrypt(data, count=3),
        lambda: add_vectors(small_key.public, [good, data], count=3),
        lambda: add_vectors(small_key.public, [data, good], count=3),
    ):
        with pytest.raises(CiphertextInvalidError) as caught:
            refused()
        assert caught.value.index == place
        assert (
            "factor" if kind in {"n", "7n", "n(n-1)", "p", "a multiple of p", "q^2"} else "between"
        ) in caught.value.reason


@pytest.mark.parametrize(
    "change", ["truncated", "extended", "one too few", "one too many", "empty", "text", "list"]
)
def test_a_vector_of_another_length_or_type_is_refused(small_key, encryptor, decryptor, change):
    good = encryptor.encrypt([1, 2, 3])
    width = small_key.public.ciphertext_bytes
    data = {
        "truncated": good[:-1],
        "extended": good + b"\0",
        "one too few": good[:-width],
        "one too many": good + good[:width],
        "empty": b"",
        "text": "1" * len(good),
        "list": [1, 2, 3],
    }[change]
    with pytest.raises(CiphertextInvalidError):
        decryptor.decrypt(data, count=3)
    with pytest.raises(CiphertextInvalidError):
        add_vectors(small_key.public, [good, data], count=3)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(decryptor, count):
    with pytest.raises(CiphertextInvalidError):
        decryptor.decrypt(b"", count=count)


def test_nothing_to_add_is_refused(small_key):
    with pytest.raises(CiphertextInvalidError):
        add_vectors(small_key.public, [], count=1)


def _factor_from_answer(n, answer):
    """m (p + q) = 1 mod n for the answer m to a ciphertext that is 0 mod n; p and q are then the roots."""
    p_plus_q = pow(answer, -1, n)
    root = math.isqrt(p_plus_q * p_plus_q - 4 * n)
    return {(p_plus_q - root) // 2, (p_plus_q + root) // 2}


@pytest.mark.parametrize("kind", ["0", "n", "7n", "n(n-1)"])
def test_attack_decrypting_zero_mod_n_gives_the_key_and_ours_refuses(product_key, kind):
    ciphertext = bad_ciphertexts(product_key)[kind]
    answer = product_key.to_phe().raw_decrypt(ciphertext)
    assert _factor_from_answer(product_key.public.n, answer) == {product_key.p, product_key.q}
    with pytest.raises(CiphertextInvalidError):
        Decryptor(product_key).decrypt(
            ciphertext.to_bytes(product_key.public.ciphertext_bytes, "big"), count=1
        )


def test_reprs_show_neither_key_nor_plaintext(small_key, decryptor):
    text = repr(decryptor)
    assert "512 bits" in text
    assert str(small_key.p)[:20] not in text
