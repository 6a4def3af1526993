"""Masks under the encryption (P15): what aggregator and key holder see together, and what no longer opens."""

import hashlib
import itertools
import secrets
import threading

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from federation.aggregation.manifest import Attempt, Manifest, vector_for
from federation.aggregation.mask_keys import MASKS, MaskKeys
from federation.aggregation.masks import mask_tag, masked
from federation.aggregation.secure_sum import SecureSum
from federation.errors import CiphertextInvalidError, SiteUnavailableError, UpdateRejectedError
from federation.network.in_memory import MemoryExchange
from federation.paillier.cipher import add_vectors
from federation.paillier.decrypt import Decryptor
from federation.paillier.packing import Layout, unpack_sum
from federation.protocol.exchange import call
from federation.protocol.messages import HealthAsk
from federation.protocol.training_messages import MaskKey, MaskKeyAsk
from smpc.errors import PeerRejectedError


def pair_keys(sites):
    """A key for every pair, as each of its sites holds it."""
    keys = {site: {} for site in sites}
    for one, other in itertools.combinations(sites, 2):
        keys[one][other] = keys[other][one] = secrets.token_bytes(32)
    return keys


class Cohort:
    """Sites that mask and encrypt, and the two helpers that work together against them."""

    def __init__(self, stage, manifest, keys=None):
        self.stage, self.manifest = stage, manifest
        self.keys = keys or pair_keys(manifest.cohort)
        self.n = stage.key.public.n

    def plaintexts(self, site, value):
        return masked(
            self.stage.plaintexts(self.manifest, value),
            self.manifest,
            site=site,
            keys=self.keys[site],
            n=self.n,
        )

    def update(self, site, value):
        tags = {other: mask_tag(key, self.manifest) for other, key in self.keys[site].items()}
        ciphertexts = self.stage.encryptor.encrypt(self.plaintexts(site, value))
        return vector_for(self.manifest, ciphertexts, mask_tags=tags)

    def sum_of(self, updates):
        vectors = [update.ciphertexts for update in updates]
        total = add_vectors(self.stage.key.public, vectors, count=self.manifest.layout.count)
        return vector_for(self.manifest, total)

    def opened(self, updates):
        return self.stage.holder.open_sum(self.manifest, self.sum_of(updates), sender="aggregator")


@pytest.fixture
def cohort(stage):
    return Cohort(stage, stage.manifest())


# ---- the sum is what it was


@given(st.data())
def test_law_masks_of_a_cohort_cancel(data):
    n = data.draw(st.one_of(st.integers(2, 300), st.integers(1 << 127, (1 << 128) - 1)))
    sites = data.draw(st.lists(st.sampled_from("abcdefg"), min_size=3, max_size=7, unique=True).map(sorted))
    count = data.draw(st.integers(1, 4))
    manifest = Manifest(
        attempt=Attempt(run="r", round_number=0, attempt=data.draw(st.integers(0, 5))),
        cohort=tuple(sites),
        layout=Layout(key_bits=512, length=3, contributors=len(sites), half_range=1000),
        key_fingerprint="f",
    )
    keys = pair_keys(sites)
    plain = {
        site: data.draw(st.lists(st.integers(0, n - 1), min_size=count, max_size=count)) for site in sites
    }
    hidden = {site: masked(plain[site], manifest, site=site, keys=keys[site], n=n) for site in sites}
    assert all(0 <= value < n for values in hidden.values() for value in values)
    for place in range(count):
        assert sum(hidden[s][place] for s in sites) % n == sum(plain[s][place] for s in sites) % n


def test_the_masked_sum_opens_to_the_integer_sum(cohort):
    updates = [cohort.update(site, value) for site, value in zip("abc", (7, -1000, 12), strict=True)]
    assert cohort.opened(updates).tolist() == [-981] * 40


def number(key, manifest, place, n):
    """One pair's number, worked out again from docs/wire-format.md."""
    for attempt in itertools.count():
        text = b"crossward/paillier/mask/1\n" + key + manifest.digest().encode()
        data = hashlib.shake_256(text + place.to_bytes(4, "big") + attempt.to_bytes(4, "big"))
        value = int(data.hexdigest(-(-n.bit_length() // 8)), 16) >> (-n.bit_length() % 8)
        if value < n:
            return value
    return None


@pytest.mark.parametrize("n", [(1 << 511) + 9, (1 << 509) - 3, 257])
def test_a_mask_is_what_the_wire_format_says(stage, n):
    manifest = stage.manifest()
    keys = pair_keys(manifest.cohort)
    seen = masked([5] * 20, manifest, site="b", keys=keys["b"], n=n)
    for place, value in enumerate(seen):
        before, after = (number(keys["b"][peer], manifest, place, n) for peer in "ac")
        assert value == (5 - before + after) % n


# ---- the attacks


def test_attack_an_aggregator_that_multiplies_one_update_gets_nothing(cohort):
    """Three times one site's update has the right counter: without masks it opened as the sum of three."""
    one = cohort.update("b", 7)
    with pytest.raises(CiphertextInvalidError):
        cohort.opened([one] * 3)


def test_without_masks_the_same_attack_succeeds(stage):
    """The attack is real: this is the sum that the checks alone let through."""
    manifest = stage.manifest()
    one = stage.update(manifest, 7).ciphertexts
    total = add_vectors(stage.key.public, [one] * 3, count=manifest.layout.count)
    assert stage.holder.open_sum(manifest, vector_for(manifest, total), sender="x").tolist() == [21] * 40


@pytest.mark.parametrize(
    "picked", ["a", "ab", "aab", "bcc", "aaa", "abcc", "abca"], ids=lambda sites: f"sites-{sites}"
)
def test_attack_a_sum_over_other_sites_than_the_cohort_does_not_open(cohort, picked):
    updates = {site: cohort.update(site, 1) for site in "abc"}
    with pytest.raises(CiphertextInvalidError):
        cohort.opened([updates[site] for site in picked])


def _other_attempts(stage):
    for change in ({"round_number": 1}, {"attempt": 1}, {"run": "other"}, {"half_range": 999}):
        yield stage.manifest(**change)


def test_attack_an_update_of_another_attempt_round_or_run_does_not_cancel(stage, small_key):
    keys = pair_keys("abc")
    now = Cohort(stage, stage.manifest(), keys)
    decryptor, layout = Decryptor(small_key), now.manifest.layout
    for manifest in _other_attempts(stage):
        old = Cohort(stage, manifest, keys)
        total = now.sum_of([old.update("a", 1), now.update("b", 1), now.update("c", 1)])
        with pytest.raises(CiphertextInvalidError):
            unpack_sum(decryptor.decrypt(total.ciphertexts, count=layout.count), layout)


def test_attack_a_site_of_another_cohort_does_not_cancel(stage, small_key):
    """A cohort of four, of which one was lost: the three updates under the old masks do not open."""
    keys = pair_keys("abcd")
    four = Cohort(stage, stage.manifest(sites=("a", "b", "c", "d")), keys)
    three = stage.manifest(sites=("a", "b", "c"), attempt=1)
    total = four.sum_of([four.update(site, 1) for site in "abc"])
    with pytest.raises(CiphertextInvalidError):
        unpack_sum(Decryptor(small_key).decrypt(total.ciphertexts, count=three.layout.count), three.layout)


def _statistic(values, n):
    """Chi-square of 16 equal ranges of Z_n, and its upper 1e-9 quantile."""
    counts = np.bincount([16 * value // n for value in values], minlength=16)
    expected = len(values) / 16
    return float(((counts - expected) ** 2 / expected).sum()), float(chi2.isf(1e-9, 15))


def test_attack_aggregator_and_key_holder_together_decrypt_uniform_numbers(stage):
    """They decrypt one site's update: as packed it gives every value away, under masks it is uniform in Z_n."""
    manifest, n = stage.manifest(length=8000), stage.key.public.n
    cohort = Cohort(stage, manifest)
    update = cohort.update("b", 7)
    seen = Decryptor(stage.key).decrypt(update.ciphertexts, count=manifest.layout.count)
    statistic, limit = _statistic(seen, n)
    assert statistic < limit
    with pytest.raises(CiphertextInvalidError):
        unpack_sum(seen, manifest.layout)
    bare = stage.update(manifest, 7)
    packed = Decryptor(stage.key).decrypt(bare.ciphertexts, count=manifest.layout.count)
    statistic, limit = _statistic(packed, n)
    assert statistic > limit  # the test sees it where the masks are missing


def test_attack_a_site_that_joins_them_learns_the_sum_of_the_others_alone(stage):
    """Site a gives its pair keys away: what is left of the update of b is still uniform, b and c together are not."""
    manifest, n = stage.manifest(length=8000), stage.key.public.n
    cohort = Cohort(stage, manifest)
    left = {}
    for site in "bc":
        key, values = cohort.keys[site]["a"], cohort.plaintexts(site, 7)
        left[site] = [(value + number(key, manifest, at, n)) % n for at, value in enumerate(values)]
        statistic, limit = _statistic(left[site], n)
        assert statistic < limit
    both = [(one + other) % n for one, other in zip(left["b"], left["c"], strict=True)]
    assert both == [2 * value % n for value in stage.plaintexts(manifest, 7)]


def test_two_places_two_attempts_and_two_keys_have_different_numbers(stage):
    manifest, later = stage.manifest(), stage.manifest(attempt=1)
    keys, others = pair_keys("abc"), pair_keys("abc")
    zeros, n = [0] * 10, stage.key.public.n
    seen = [
        value
        for kept, of in ((keys, manifest), (keys, later), (others, manifest))
        for value in masked(zeros, of, site="a", keys=kept["a"], n=n)
    ]
    assert len(set(seen)) == 30


@pytest.mark.parametrize("names", ["", "b", "bcd", "ab", "abc"])
def test_keys_of_another_cohort_are_refused(stage, names):
    keys = dict.fromkeys(names, bytes(32))
    with pytest.raises(ValueError, match="cohort"):
        masked([0], stage.manifest(), site="a", keys=keys, n=257)


def test_a_short_key_is_refused(stage):
    with pytest.raises(ValueError, match="32 bytes"):
        masked([0], stage.manifest(), site="a", keys={"b": bytes(31), "c": bytes(32)}, n=257)


# ---- the aggregator names two sites whose keys differ


def test_different_mask_keys_are_named_before_the_sum(stage):
    manifest = stage.manifest()
    keys = pair_keys(manifest.cohort)
    cohort = Cohort(stage, manifest, keys)
    aggregator = SecureSum(stage.key.public)
    aggregator.take(manifest, cohort.update("a", 1), sender="a")
    keys["c"]["a"] = secrets.token_bytes(32)  # one of the two was started again
    aggregator.take(manifest, cohort.update("b", 1), sender="b")
    with pytest.raises(UpdateRejectedError, match="c and a hold different mask keys") as caught:
        aggregator.take(manifest, cohort.update("c", 1), sender="c")
    assert caught.value.site == "c"


@pytest.mark.parametrize(
    "tags", [{}, {"b": "x"}, {"b": "x", "c": "y", "d": "z"}, {"a": "x", "b": "y", "c": "z"}]
)
def test_tags_of_another_cohort_are_refused(stage, tags):
    manifest = stage.manifest()
    update = vector_for(manifest, stage.update(manifest, 1).ciphertexts, mask_tags=tags)
    with pytest.raises(UpdateRejectedError, match="mask tags"):
        SecureSum(stage.key.public).take(manifest, update, sender="a")


# ---- how two sites come to their key


class Sites:
    """Sites of one process, with their mask keys."""

    def __init__(self, names="abc"):
        self.exchange = MemoryExchange()
        self.networks = {name: self.exchange.network(name, "site") for name in names}
        self.keys = {name: self.start(name) for name in names}

    def start(self, name):
        keys = MaskKeys(site=name, network=self.networks[name], configuration="ab" * 32, deadline_s=5.0)
        keys.serve()
        return keys

    def restart(self, name):
        self.networks[name].close()
        self.networks[name] = self.exchange.network(name, "site")
        self.keys[name] = self.start(name)


def _agree(sites, run="run", cohort="abc"):
    keys = {name: sites.keys[name].pair_keys(run, cohort) for name in cohort}
    for one, other in itertools.combinations(cohort, 2):
        assert keys[one][other] == keys[other][one]
    return keys


def test_every_pair_has_one_key_of_its_own_for_each_run():
    sites = Sites()
    first, second = _agree(sites), _agree(sites, run="another")
    seen = [keys[one][other] for keys in (first, second) for one, other in ("ab", "ac", "bc")]
    assert len(set(seen)) == 6
    assert all(len(key) == 32 for key in seen)
    assert _agree(sites) == first


def test_all_sites_may_begin_at_once():
    sites, found = Sites("abcde"), {}

    def begin(name):
        found[name] = sites.keys[name].pair_keys("run", "abcde")

    threads = [threading.Thread(target=begin, args=(name,)) for name in "abcde"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(found[a][b] == found[b][a] for a, b in itertools.combinations("abcde", 2))


def test_a_site_that_restarts_has_another_key_and_is_asked_again():
    sites = Sites()
    before = _agree(sites)
    sites.restart("b")
    after = _agree(sites)
    assert after["a"]["c"] == before["a"]["c"]
    assert after["a"]["b"] != before["a"]["b"]


def test_a_site_that_is_gone_is_named():
    sites = Sites()
    sites.networks["c"].close()
    with pytest.raises(SiteUnavailableError) as caught:
        sites.keys["a"].pair_keys("run", "abc")
    assert caught.value.site == "c"


def test_a_key_is_bound_to_its_consortium_and_its_pair():
    """RFC 7748 and 5869 by hand: what another consortium, run or pair derives from the same secret differs."""
    sites = Sites("ab")
    mine = sites.keys["a"].pair_keys("run", "ab")["b"]
    secret = sites.keys["a"]._private.exchange(sites.keys["b"]._private.public_key())

    def derived(*fields):
        info = b"crossward/mask-key/1\n" + "\n".join(fields).encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)

    assert derived("ab" * 32, "run", "a", "b") == mine
    assert derived("ac" * 32, "run", "a", "b") != mine


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)])
def test_a_key_that_gives_everybody_the_same_secret_is_refused(public, monkeypatch):
    sites = Sites()
    monkeypatch.setattr(MaskKeys, "_reply", lambda *_: MaskKey(public=public))
    with pytest.raises(PeerRejectedError):
        sites.keys["a"].pair_keys("run", "abc")


@pytest.mark.parametrize("role", ["analyst", "aggregator", "keyholder", "dealer", "auditor"])
def test_only_sites_get_a_mask_key(role):
    sites = Sites()
    with pytest.raises(PeerRejectedError):
        call(sites.exchange.network("x", role), "a", MASKS, MaskKeyAsk(), MaskKey, timeout_s=5)


def test_another_message_is_refused():
    sites = Sites()
    with pytest.raises(PeerRejectedError):
        call(sites.networks["b"], "a", MASKS, HealthAsk(), MaskKey, timeout_s=5)


def test_no_repr_shows_a_key():
    sites = Sites()
    _agree(sites)
    assert repr(sites.keys["a"]) == "MaskKeys(site='a')"
