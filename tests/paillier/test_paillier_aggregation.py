import sqlite3
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.aggregation import secure_sum
from federation.aggregation.claims import Claims
from federation.aggregation.manifest import Attempt, EncryptedVector, Manifest, vector_for
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.secure_sum import SecureSum
from federation.errors import (
    CiphertextInvalidError,
    ConfigError,
    KeyMismatchError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.paillier.cipher import Encryptor, add_vectors
from federation.paillier.decrypt import REFUSED_SUM, Decryptor
from federation.paillier.packing import Layout, pack
from federation.paillier.validation import parse_ciphertexts, serialise_ciphertexts


@settings(max_examples=25)
@given(st.data())
def test_law_the_encrypted_sum_is_the_integer_sum_always(small_key, encryptor, tmp_path_factory, data):
    n_sites = data.draw(st.integers(3, 6))
    length = data.draw(st.integers(1, 30))
    half = data.draw(st.sampled_from([1, 100, 1 << 20, 1 << 50]))
    layout = Layout(key_bits=512, length=length, contributors=n_sites, half_range=half)
    sites = tuple(f"s{i}" for i in range(n_sites))
    manifest = Manifest(
        attempt=Attempt(run="r", round_number=0, attempt=0),
        cohort=sites,
        layout=layout,
        key_fingerprint=small_key.public.fingerprint,
    )
    number = st.one_of(st.sampled_from([-half, half, 0]), st.integers(-half, half))
    updates = [
        np.array(data.draw(st.lists(number, min_size=length, max_size=length)), np.int64) for _ in sites
    ]
    aggregator = SecureSum(small_key.public)
    aggregator.begin(manifest)
    for i in data.draw(st.permutations(range(n_sites))):
        aggregator.accept(
            vector_for(manifest, encryptor.encrypt(pack(updates[i], layout, site=sites[i]))), sender=sites[i]
        )
    answers = Claims(tmp_path_factory.mktemp("law") / "answers.sqlite")
    try:
        opened = KeyHolder(small_key, answers).open_sum(
            manifest, aggregator.total(manifest), sender="aggregator"
        )
    finally:
        answers.close()
    assert opened.tolist() == np.sum(updates, axis=0).tolist()


def _total(stage, manifest, values=(1, 2, 3)):
    aggregator = SecureSum(stage.key.public)
    aggregator.begin(manifest)
    for site, value in zip(manifest.cohort, values, strict=True):
        aggregator.accept(stage.update(manifest, value), sender=site)
    return aggregator.total(manifest)


@pytest.mark.parametrize("sign", [-1, 1])
def test_all_sites_at_the_bound_do_not_carry(stage, sign):
    manifest = stage.manifest(sites=tuple("abcdefgh"), length=95)
    opened = stage.holder.open_sum(manifest, _total(stage, manifest, [sign * 1000] * 8), sender="aggregator")
    assert opened.tolist() == [sign * 8000] * 95


def test_a_whole_round_at_a_product_size(product_key, tmp_path):
    layout = Layout(key_bits=2048, length=70, contributors=3, half_range=1 << 23)
    manifest = Manifest(
        attempt=Attempt(run="r", round_number=0, attempt=0),
        cohort=("a", "b", "c"),
        layout=layout,
        key_fingerprint=product_key.public.fingerprint,
    )
    updates = {site: np.arange(70, dtype=np.int64) * k - 99 for k, site in enumerate("abc")}
    aggregator, encryptor = SecureSum(product_key.public), Encryptor(product_key.public)
    aggregator.begin(manifest)
    for site, update in updates.items():
        aggregator.accept(
            vector_for(manifest, encryptor.encrypt(pack(update, layout, site=site))), sender=site
        )
    answers = Claims(tmp_path / "a")
    opened = KeyHolder(product_key, answers).open_sum(
        manifest, aggregator.total(manifest), sender="aggregator"
    )
    answers.close()
    assert opened.tolist() == sum(updates.values()).tolist()


# ---- the aggregator


@pytest.fixture
def aggregator(stage):
    started = SecureSum(stage.key.public)
    started.begin(stage.manifest(round_number=4, attempt=1))
    return started


@pytest.fixture
def manifest(stage):
    return stage.manifest(round_number=4, attempt=1)


def test_missing_sites_are_reported_and_nothing_is_sent_until_all_arrive(stage, aggregator, manifest):
    for value, (site, missing) in enumerate([("b", ("a", "c")), ("c", ("a",)), ("a", ())]):
        if value:
            with pytest.raises(SiteUnavailableError) as caught:
                aggregator.total(manifest)
            assert caught.value.site == "a"
        assert aggregator.accept(stage.update(manifest, value), sender=site) == missing
    assert aggregator.total(manifest) == aggregator.total(manifest)


def test_the_same_site_twice_is_refused_and_changes_nothing(stage, aggregator, manifest):
    updates = {site: stage.update(manifest, 1) for site in "abc"}
    aggregator.accept(updates["a"], sender="a")
    for again in (updates["a"], stage.update(manifest, 5), stage.of(manifest, [0])[0]):
        with pytest.raises(UpdateRejectedError, match="already") as caught:
            aggregator.accept(again, sender="a")
        assert caught.value.site == "a"
    aggregator.accept(updates["b"], sender="b")
    aggregator.accept(updates["c"], sender="c")
    assert stage.holder.open_sum(manifest, aggregator.total(manifest), sender="x").tolist() == [3] * 40


def test_a_stranger_is_refused(stage, aggregator, manifest):
    with pytest.raises(UpdateRejectedError, match="cohort") as caught:
        aggregator.accept(stage.update(manifest, 1), sender="mallory")
    assert caught.value.site == "mallory"


@pytest.mark.parametrize(
    ("round_number", "attempt", "says"),
    [(3, 1, "is old"), (3, 9, "is old"), (4, 0, "is old"), (4, 2, "not begun"), (5, 0, "not begun")],
)
def test_an_update_of_another_round_or_attempt_is_refused(stage, aggregator, round_number, attempt, says):
    other = stage.manifest(round_number=round_number, attempt=attempt)
    with pytest.raises(UpdateRejectedError, match=says):
        aggregator.accept(stage.update(other, 1), sender="a")


def test_an_update_for_another_run_or_manifest_is_refused(stage, aggregator):
    with pytest.raises(UpdateRejectedError, match="no such run"):
        aggregator.accept(stage.update(stage.manifest(run="other"), 1), sender="a")
    for change in ({"sites": ("a", "b", "d")}, {"half_range": 999}, {"length": 39}):
        other = stage.manifest(round_number=4, attempt=1, **change)
        with pytest.raises(UpdateRejectedError, match="another manifest"):
            aggregator.accept(stage.update(other, 1), sender="a")


def test_a_foreign_key_is_refused_by_its_fingerprint(stage, aggregator, manifest, foreign_key):
    update = stage.update(manifest, 1, encryptor=Encryptor(foreign_key.public))
    foreign = EncryptedVector(
        manifest_digest=update.manifest_digest,
        attempt=update.attempt,
        key_fingerprint=foreign_key.public.fingerprint,
        ciphertexts=update.ciphertexts,
    )
    with pytest.raises(KeyMismatchError):
        aggregator.accept(foreign, sender="a")
    with pytest.raises(KeyMismatchError):
        SecureSum(foreign_key.public).begin(manifest)


@pytest.mark.parametrize(
    "kind", ["zero", "n", "7n", "n^2", "n^2+1", "multiple of p", "truncated", "extended", "empty"]
)
def test_a_bad_update_is_refused_and_never_added(stage, aggregator, manifest, kind):
    good = stage.update(manifest, 1)
    n, width = stage.key.public.n, stage.key.public.ciphertext_bytes
    value = {
        "zero": 0,
        "n": n,
        "7n": 7 * n,
        "n^2": n * n,
        "n^2+1": n * n + 1,
        "multiple of p": 5 * stage.key.p,
    }
    data = good.ciphertexts
    if kind in value:
        data = data[:-width] + value[kind].to_bytes(width, "big")
    data = {"truncated": data[:-1], "extended": data + b"\0", "empty": b""}.get(kind, data)
    with pytest.raises(CiphertextInvalidError):
        aggregator.accept(vector_for(manifest, data), sender="a")
    for site in "abc":  # the bad one left no trace
        aggregator.accept(stage.update(manifest, 2), sender=site)
    assert stage.holder.open_sum(manifest, aggregator.total(manifest), sender="x").tolist() == [6] * 40


def test_attempts_only_rise_and_a_new_one_drops_the_old_ciphertexts(stage, aggregator, manifest):
    aggregator.accept(stage.update(manifest, 1), sender="a")
    for round_number, attempt in [(4, 1), (4, 0), (3, 7)]:
        with pytest.raises(UpdateRejectedError, match="not newer"):
            aggregator.begin(stage.manifest(round_number=round_number, attempt=attempt))
    survivors = stage.manifest(round_number=4, attempt=2, sites=("a", "b", "d"))
    aggregator.begin(survivors)
    with pytest.raises(UpdateRejectedError, match="is old"):
        aggregator.accept(stage.update(manifest, 1), sender="b")
    with pytest.raises(UpdateRejectedError, match="not under way"):
        aggregator.total(manifest)
    for site in survivors.cohort:
        aggregator.accept(stage.update(survivors, 10), sender=site)
    assert stage.holder.open_sum(survivors, aggregator.total(survivors), sender="x").tolist() == [30] * 40


def test_a_sum_that_was_sent_is_dropped_and_its_attempt_does_not_begin_again(stage, aggregator, manifest):
    for site in "abc":
        aggregator.accept(stage.update(manifest, 1), sender=site)
    aggregator.sent(manifest)
    aggregator.sent(stage.manifest(run="unknown"))
    assert aggregator.is_sent(manifest)
    with pytest.raises(UpdateRejectedError, match="not under way"):
        aggregator.total(manifest)
    with pytest.raises(UpdateRejectedError, match="already"):
        aggregator.accept(stage.update(manifest, 1), sender="a")
    with pytest.raises(UpdateRejectedError, match="not newer"):
        aggregator.begin(manifest)


def test_a_bad_first_update_of_a_new_attempt_does_not_end_it(stage, manifest):
    aggregator = SecureSum(stage.key.public)
    assert aggregator.take(manifest, stage.update(manifest, 1, sender="a"), sender="a") == ("b", "c")
    again = stage.manifest(round_number=4, attempt=2)
    with pytest.raises(CiphertextInvalidError):
        aggregator.take(again, vector_for(again, b"", mask_tags={"b": "none", "c": "none"}), sender="a")
    for site in "abc":
        update = stage.update(again, 2, sender=site)
        missing = aggregator.take(again, update, sender=site)
        assert aggregator.take(again, update, sender=site) == missing
    assert stage.holder.open_sum(again, aggregator.total(again), sender="x").tolist() == [6] * 40


def test_two_runs_do_not_mix(stage, aggregator, manifest):
    other = stage.manifest(run="second")
    aggregator.begin(other)
    for site in "abc":
        aggregator.accept(stage.update(other, 2), sender=site)
        aggregator.accept(stage.update(manifest, 1), sender=site)
    assert stage.holder.open_sum(other, aggregator.total(other), sender="x")[0] == 6
    assert stage.holder.open_sum(manifest, aggregator.total(manifest), sender="x")[0] == 3


def test_many_threads_add_each_site_once(stage, monkeypatch):
    def slowly(*args, **kwargs):
        time.sleep(0.02)  # long enough for another thread to come in between
        return parse_ciphertexts(*args, **kwargs)

    monkeypatch.setattr(secure_sum, "parse_ciphertexts", slowly)
    sites = tuple(f"s{i:02}" for i in range(12))
    manifest = stage.manifest(sites=sites, length=1)
    aggregator = SecureSum(stage.key.public)
    aggregator.begin(manifest)
    refused, update = [], stage.update(manifest, 1)

    def send(site):
        try:
            aggregator.accept(update, sender=site)
        except UpdateRejectedError as error:
            refused.append(error.site)

    threads = [threading.Thread(target=send, args=(site,)) for site in sites * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == list(sites)
    assert stage.holder.open_sum(manifest, aggregator.total(manifest), sender="x").tolist() == [12]


# ---- the key holder


def _refused(stage, manifest, total, error, says=None):
    with pytest.raises(error, match=says) as caught:
        stage.holder.open_sum(manifest, total, sender="aggregator")
    return caught.value


@pytest.mark.parametrize("copies", [1, 2, 4, 5])
def test_one_update_alone_and_any_wrong_number_of_updates_is_not_answered(stage, manifest, copies):
    update = stage.update(manifest, 1).ciphertexts
    total = add_vectors(stage.key.public, [update] * copies, count=manifest.layout.count)
    error = _refused(stage, manifest, vector_for(manifest, total), CiphertextInvalidError, "counter")
    assert error.index is None
    # the question was asked and is spent: the honest sum comes too late
    _refused(stage, manifest, _total(stage, manifest), UpdateRejectedError, "answered before")


def test_a_dropped_site_is_seen_by_the_counter(stage, manifest):
    two = [stage.update(manifest, value).ciphertexts for value in (1, 2)]
    total = add_vectors(stage.key.public, two, count=manifest.layout.count)
    _refused(stage, manifest, vector_for(manifest, total), CiphertextInvalidError, "counter")


def test_a_slot_out_of_range_is_not_answered(stage, manifest):
    total = _total(stage, manifest)
    values = parse_ciphertexts(total.ciphertexts, n=stage.key.public.n, count=manifest.layout.count)
    width = 8 * manifest.layout.slot_bytes
    values[0] = values[0] * (1 + (6001 << width) * stage.key.public.n) % stage.key.public.n_squared
    altered = vector_for(manifest, serialise_ciphertexts(values, n=stage.key.public.n))
    _refused(stage, manifest, altered, CiphertextInvalidError, "out of range")


@pytest.mark.parametrize(
    "kind", ["zero", "n", "7n", "n^2", "n^2+1", "multiple of p", "truncated", "extended", "empty"]
)
def test_a_bad_sum_is_refused_before_any_decryption_and_before_the_claim(
    stage, manifest, answers, kind, monkeypatch
):
    n, width = stage.key.public.n, stage.key.public.ciphertext_bytes
    total = _total(stage, manifest)
    value = {
        "zero": 0,
        "n": n,
        "7n": 7 * n,
        "n^2": n * n,
        "n^2+1": n * n + 1,
        "multiple of p": 5 * stage.key.p,
    }
    data = total.ciphertexts
    if kind in value:
        data = data[:-width] + value[kind].to_bytes(width, "big")
    data = {"truncated": data[:-1], "extended": data + b"\0", "empty": b""}.get(kind, data)
    with monkeypatch.context() as patch:
        patch.setattr(Decryptor, "decrypt", None)
        _refused(stage, manifest, vector_for(manifest, data), CiphertextInvalidError)
    assert answers.claimed() == []
    assert stage.holder.open_sum(manifest, total, sender="aggregator")[0] == 6


def test_the_claim_is_durable_before_the_first_decryption(stage, manifest, tmp_path, monkeypatch):
    seen = []

    def crash(_self, _data, *, count):
        with sqlite3.connect(tmp_path / "answers.sqlite") as other:
            seen.extend(other.execute("SELECT run, round, attempt FROM claims").fetchall())
        other.close()
        raise MemoryError(count)

    total = _total(stage, manifest)
    with monkeypatch.context() as patch:
        patch.setattr(Decryptor, "decrypt", crash)
        with pytest.raises(MemoryError):
            stage.holder.open_sum(manifest, total, sender="aggregator")
    assert seen == [("run", 4, 1)]
    _refused(stage, manifest, total, UpdateRejectedError, "answered before")


def test_an_attempt_is_answered_once_and_lower_ones_never_across_restarts(stage, small_key, tmp_path):
    now = stage.manifest(round_number=4, attempt=1)
    assert stage.holder.open_sum(now, _total(stage, now), sender="aggregator")[0] == 6
    restarted = Claims(tmp_path / "answers.sqlite")
    holders = [stage.holder, KeyHolder(small_key, restarted)]
    for holder in holders:
        for round_number, attempt in [(4, 1), (4, 0), (3, 5), (0, 0)]:
            old = stage.manifest(round_number=round_number, attempt=attempt)
            with pytest.raises(UpdateRejectedError, match="answered before") as caught:
                holder.open_sum(old, _total(stage, old), sender="aggregator")
            assert caught.value.site == "aggregator"
    for holder, (round_number, attempt) in zip(holders, [(4, 2), (5, 0)], strict=True):
        later = stage.manifest(round_number=round_number, attempt=attempt)
        assert holder.open_sum(later, _total(stage, later), sender="aggregator")[0] == 6
    other_run = stage.manifest(run="another")
    assert stage.holder.open_sum(other_run, _total(stage, other_run), sender="aggregator")[0] == 6
    restarted.close()


def test_another_cohort_cannot_have_the_same_attempt(stage):
    first, second = stage.manifest(), stage.manifest(sites=("a", "b", "d"))
    stage.holder.open_sum(first, _total(stage, first), sender="aggregator")
    _refused(stage, second, _total(stage, second), UpdateRejectedError, "answered before")


def test_a_sum_bound_to_another_manifest_or_key_is_refused(stage, manifest, foreign_key, answers):
    total = _total(stage, manifest)
    for other in (
        stage.manifest(round_number=4, attempt=2),
        stage.manifest(round_number=4, attempt=1, half_range=999),
        stage.manifest(round_number=4, attempt=1, sites=("a", "b", "d")),
        stage.manifest(round_number=4, attempt=1, run="other"),
    ):
        _refused(stage, other, total, UpdateRejectedError, "another manifest")
    with pytest.raises(KeyMismatchError):
        KeyHolder(foreign_key, answers).open_sum(manifest, total, sender="aggregator")
    relabelled = EncryptedVector(
        manifest_digest=total.manifest_digest,
        attempt=total.attempt,
        key_fingerprint=foreign_key.public.fingerprint,
        ciphertexts=total.ciphertexts,
    )
    _refused(stage, manifest, relabelled, KeyMismatchError)
    assert answers.claimed() == []


def test_a_sum_that_names_another_attempt_than_its_manifest_is_refused(stage, manifest, answers):
    total = _total(stage, manifest)
    relabelled = EncryptedVector(
        manifest_digest=total.manifest_digest,
        attempt=Attempt(run="run", round_number=9, attempt=0),
        key_fingerprint=total.key_fingerprint,
        ciphertexts=total.ciphertexts,
    )
    _refused(stage, manifest, relabelled, UpdateRejectedError, "another manifest")
    assert answers.claimed() == []


def test_a_manifest_with_another_key_is_refused_for_any_sum(stage, manifest, foreign_key, answers):
    ciphertexts = _total(stage, manifest).ciphertexts
    for bits, fingerprint in [(512, foreign_key.public.fingerprint), (520, stage.key.public.fingerprint)]:
        layout = Layout(key_bits=bits, length=40, contributors=3, half_range=1000)
        other = Manifest(
            attempt=manifest.attempt, cohort=manifest.cohort, layout=layout, key_fingerprint=fingerprint
        )
        total = EncryptedVector(
            manifest_digest=other.digest(),
            attempt=other.attempt,
            key_fingerprint=stage.key.public.fingerprint,
            ciphertexts=ciphertexts,
        )
        _refused(stage, other, total, KeyMismatchError, "the manifest names another key")
    assert answers.claimed() == []


def test_ciphertexts_of_a_foreign_key_under_our_label_open_to_nothing(stage, manifest, foreign_key):
    theirs = Encryptor(foreign_key.public)
    vectors = [theirs.encrypt(stage.plaintexts(manifest, 1)) for _ in range(3)]
    total = add_vectors(foreign_key.public, vectors, count=manifest.layout.count)
    _refused(stage, manifest, vector_for(manifest, total), CiphertextInvalidError)


def test_the_answers_file_is_private_and_cannot_be_rewritten(tmp_path, stage, manifest):
    stage.holder.open_sum(manifest, _total(stage, manifest), sender="aggregator")
    path = tmp_path / "answers.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(path)
    for statement in (
        "DELETE FROM claims",
        "UPDATE claims SET round = 0",
        "INSERT OR REPLACE INTO claims VALUES ('run', 4, 1, 'x')",
        "INSERT OR IGNORE INTO claims VALUES ('run', 4, 0, 'x')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    assert connection.execute("SELECT * FROM claims").fetchall() == [("run", 4, 1, manifest.digest())]
    connection.close()


def test_every_claim_is_flushed_to_the_disk(answers):
    (level,) = answers._connection.execute("PRAGMA synchronous").fetchone()
    (journal,) = answers._connection.execute("PRAGMA journal_mode").fetchone()
    assert (level, journal) == (3, "delete")


def test_two_threads_get_one_answer(stage, manifest):
    total = _total(stage, manifest)
    outcomes = []

    def ask():
        try:
            outcomes.append(stage.holder.open_sum(manifest, total, sender="aggregator")[0])
        except UpdateRejectedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["6"] + ["refused"] * 5


def test_no_error_or_repr_tells_a_sum_or_a_prime(stage, manifest):
    stage_text = [repr(stage.holder), repr(stage.key), repr(_total(stage, manifest))]
    update = stage.update(manifest, 777).ciphertexts
    error = _refused(stage, manifest, vector_for(manifest, update), CiphertextInvalidError)
    stage_text += [str(error), repr(error), repr(error.__dict__)]
    for text in stage_text:
        assert "777" not in text.replace(stage.key.public.fingerprint[:16], "")
        assert str(stage.key.p)[:20] not in text


# ---- the manifest


def test_two_contributors_are_too_few(stage):
    with pytest.raises(ConfigError, match="contributors"):
        stage.manifest(sites=("a", "b"))


@pytest.mark.parametrize("sites", [("a", "a", "b"), ("b", "a", "c")])
def test_a_cohort_is_sorted_and_distinct(stage, sites):
    with pytest.raises(ConfigError, match="cohort"):
        stage.manifest(sites=sites)


def test_a_cohort_of_another_size_than_the_layout_is_refused(stage, manifest):
    with pytest.raises(ConfigError, match="cohort"):
        Manifest(
            attempt=manifest.attempt, cohort=("a", "b", "c", "d"), layout=manifest.layout, key_fingerprint="x"
        )


@pytest.mark.parametrize("bad", [-1, 1 << 31, 1.0, True, None])
@pytest.mark.parametrize("field", ["round_number", "attempt"])
def test_numbers_of_an_attempt_are_small_integers(field, bad):
    with pytest.raises(ConfigError, match=field):
        Attempt(**{"run": "r", "round_number": 0, "attempt": 0, field: bad})


def test_every_field_is_in_the_digest(stage, manifest, foreign_key):
    changed = [
        stage.manifest(round_number=5, attempt=1),
        stage.manifest(round_number=4, attempt=2),
        stage.manifest(round_number=4, attempt=1, run="other"),
        stage.manifest(round_number=4, attempt=1, sites=("a", "b", "d")),
        stage.manifest(round_number=4, attempt=1, length=41),
        stage.manifest(round_number=4, attempt=1, half_range=1001),
        Manifest(
            attempt=manifest.attempt,
            cohort=manifest.cohort,
            layout=manifest.layout,
            key_fingerprint=foreign_key.public.fingerprint,
        ),
    ]
    assert len({m.digest() for m in [manifest, *changed]}) == len(changed) + 1
    assert manifest.digest() == stage.manifest(round_number=4, attempt=1).digest()


# ---- what fails after the claim fails alike


@pytest.mark.parametrize("minus", ["-1 mod n^2", "-c"])
def test_a_power_other_than_one_modulo_a_prime_is_refused_before_the_logarithm(
    stage, manifest, minus, answers
):
    """The attack on keys of short exponents: -1 mod n^2 passes length, range and gcd, and its logarithm is the key's."""
    key = stage.key
    holder = KeyHolder(key, answers)
    decryptor = holder._decryptor
    decryptor._exponent_p, decryptor._exponent_q = (key.p - 1) // 2, (key.q - 1) // 2  # odd: p = q = 3 mod 4
    total = _total(stage, manifest)
    values = parse_ciphertexts(total.ciphertexts, n=key.public.n, count=manifest.layout.count)
    n_squared = key.public.n_squared
    altered = [n_squared - 1 if minus == "-1 mod n^2" else n_squared - values[0], *values[1:]]
    vector = vector_for(manifest, serialise_ciphertexts(altered, n=key.public.n))
    with pytest.raises(CiphertextInvalidError) as caught:
        holder.open_sum(manifest, vector, sender="aggregator")
    assert (caught.value.reason, caught.value.index) == (REFUSED_SUM, None)
    with pytest.raises(UpdateRejectedError, match="answered before"):  # the attempt is burnt
        holder.open_sum(manifest, total, sender="aggregator")


@pytest.mark.parametrize("prime", ["p", "q"])
def test_a_power_that_is_not_one_modulo_one_prime_alone_is_refused(stage, manifest, prime):
    decryptor = Decryptor(stage.key)
    setattr(decryptor, f"_exponent_{prime}", (getattr(stage.key, prime) - 1) // 2)
    minus_one = serialise_ciphertexts([stage.key.public.n_squared - 1], n=stage.key.public.n)
    with pytest.raises(CiphertextInvalidError) as caught:
        decryptor.decrypt(minus_one, count=1)
    assert caught.value.reason == REFUSED_SUM


def test_failures_after_the_claim_look_alike_and_spend_the_attempt(stage):
    """Which check failed, and where, would say something of a plaintext that is not answered."""
    n, n_squared = stage.key.public.n, stage.key.public.n_squared
    told = []
    for attempt, kind in enumerate(("counter", "slot", "above", "minus one", "unused")):
        manifest = stage.manifest(round_number=4, attempt=attempt)
        width = 8 * manifest.layout.slot_bytes
        values = parse_ciphertexts(_total(stage, manifest).ciphertexts, n=n, count=manifest.layout.count)
        added = {
            "counter": 1,
            "slot": 6001 << width,
            "above": 1 << (width * manifest.layout.slots),
            "unused": 1 << (width * (manifest.layout.slots - 1)),
        }
        place = -1 if kind == "unused" else 0
        values[place] = (
            n_squared - 1 if kind == "minus one" else values[place] * (1 + added[kind] * n) % n_squared
        )
        vector = vector_for(manifest, serialise_ciphertexts(values, n=n))
        told.append(str(_refused(stage, manifest, vector, CiphertextInvalidError)))
        _refused(stage, manifest, _total(stage, manifest), UpdateRejectedError, "answered before")
    assert len(set(told)) == 1


def test_the_type_of_the_key_stands_in_the_manifest(manifest):
    assert manifest.to_dict()["key_type"] == "full-exponent"
