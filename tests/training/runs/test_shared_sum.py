"""The sum by secret sharing: the same integers as by Paillier, and only the sum of the whole cohort."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.aggregation import shared_sum as shared_sum_module
from federation.aggregation.manifest import Attempt, Manifest
from federation.aggregation.opened_sums import OpenedSum, OpenedSums
from federation.aggregation.secure_sum import SecureSum
from federation.aggregation.service import OPEN
from federation.aggregation.shared_sum import REFUSED, SharedSum, agreed_total, checked_sum
from federation.errors import (
    CiphertextInvalidError,
    ConfigError,
    KeyMismatchError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.network.in_memory import MemoryExchange
from federation.paillier.packing import Layout
from federation.protocol.exchange import call
from federation.protocol.messages import Ack
from federation.protocol.training_messages import DecryptedSum, SumAsk
from smpc.errors import PeerRejectedError

COHORT = ("a", "b", "c", "d")
RECEIVERS = ("ada", *COHORT)
ASK = SumAsk(run="run", round_number=0, attempt=0, wait_ms=0)


def manifest_of(*, cohort=COHORT, length=7, half_range=1000, attempt=0, round_number=0, run="run"):
    return Manifest(
        attempt=Attempt(run=run, round_number=round_number, attempt=attempt),
        cohort=cohort,
        layout=Layout(key_bits=2048, length=length, contributors=len(cohort), half_range=half_range),
        key_fingerprint="",
        key_type="shares",
    )


class Sites:
    def __init__(self, names=COHORT, timeout_s=5.0):
        self.exchange = MemoryExchange(timeout_s)
        self.networks = {name: self.exchange.network(name, "site") for name in names}
        self.analyst = self.exchange.network("ada", "analyst")
        self.stores, self.ports = {}, {}
        for name in names:
            self.stores[name] = OpenedSums(None)
            self.ports[name] = SharedSum(
                site=name, network=self.networks[name], store=lambda n=name: self.stores[n], deadline_s=5
            )
            self.ports[name].serve()

    def run(self, manifest, values, *, manifests=None):
        """All sites at once; each one's answer or error."""
        manifests = manifests or {}

        def one(site):
            try:
                return self.ports[site].contribute(
                    values[site], manifests.get(site, manifest), receivers=RECEIVERS
                )
            except Exception as error:
                return error

        with ThreadPoolExecutor(len(values)) as threads:
            return dict(zip(values, threads.map(one, values), strict=True))

    def close(self):
        for name in (*self.networks, "ada"):
            self.exchange.forget(name)
        for store in self.stores.values():
            store.close()


@pytest.fixture
def sites():
    made = Sites()
    yield made
    made.close()


def rows_of(manifest, seed=1):
    n, h = manifest.layout.length, manifest.layout.half_range
    return {
        site: np.array([(i * 7919 + place * 104729 + seed) % (2 * h + 1) - h for i in range(n)], np.int64)
        for place, site in enumerate(manifest.cohort)
    }


@settings(deadline=None, max_examples=25)
@given(
    n_sites=st.integers(3, 6),
    length=st.integers(1, 40),
    half_range=st.sampled_from([1, 5, 1000, 2**40, 2**59]),
    data=st.data(),
)
def test_law_the_opened_sum_is_the_integer_sum_always(n_sites, length, half_range, data):
    cohort = COHORT[:n_sites] if n_sites <= 4 else (*COHORT, "e", "f")[:n_sites]
    manifest = manifest_of(cohort=cohort, length=length, half_range=half_range)
    numbers = st.integers(-half_range, half_range) | st.sampled_from([-half_range, half_range])
    rows = {s: data.draw(st.lists(numbers, min_size=length, max_size=length)) for s in cohort}
    made = Sites(cohort)
    outcome = made.run(manifest, {s: np.array(row, np.int64) for s, row in rows.items()})
    expected = [sum(column) for column in zip(*rows.values(), strict=True)]
    for site in cohort:
        assert outcome[site].bytes_sent > 0
        assert made.ports[site].fetch(ASK, cohort, length=length, manifest=manifest.digest()) == expected
    made.close()


def test_what_a_site_sends_is_uniform_and_two_runs_of_the_same_values_share_nothing(sites, monkeypatch):
    """A mean of 8000 uniform bytes lies within 6 standard deviations; the same values send other bytes."""
    sent, real = [], shared_sum_module.open_total

    def watched(session, slots):
        exchange = session.mesh.exchange

        def spied(step, outgoing, expected):
            if session.names[session.rank] == "a" and outgoing and len(next(iter(outgoing.values()))) > 1000:
                sent.append({peer: bytes(payload) for peer, payload in outgoing.items()})
            return exchange(step, outgoing, expected)

        monkeypatch.setattr(session.mesh, "exchange", spied)
        return real(session, slots)

    monkeypatch.setattr(shared_sum_module, "open_total", watched)
    for attempt in (0, 1):
        manifest = manifest_of(length=999, attempt=attempt)
        sites.run(manifest, {site: np.zeros(999, np.int64) for site in COHORT})
    assert len(sent) == 2
    bodies = [next(iter(one.values())) for one in sent]
    assert all(len(set(one.values())) == 1 for one in sent)
    words = [np.frombuffer(body, "<u8") for body in bodies]
    assert not (words[0] == words[1]).any()
    for body in bodies:
        mean = np.frombuffer(body, np.uint8).mean()
        assert abs(mean - 127.5) < 6 * 73.9 / np.sqrt(len(body))


def test_attack_all_other_sites_together_learn_the_sum_of_one_alone_only_as_a_remainder(sites):
    """Three of four sites pool the sum and their own updates: what is left is one site's; with two left it is their sum."""
    manifest = manifest_of()
    rows = rows_of(manifest)
    sites.run(manifest, rows)
    total = np.array(sites.ports["a"].fetch(ASK, COHORT, length=7, manifest=None))
    assert (total - rows["a"] - rows["b"] == rows["c"] + rows["d"]).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"attempt": 1}, SiteUnavailableError),
        ({"round_number": 1}, SiteUnavailableError),
        ({"run": "other"}, SiteUnavailableError),
        ({"half_range": 999}, SiteUnavailableError),
    ],
    ids=["attempt", "round", "run", "layout"],
)
def test_attack_a_site_of_another_attempt_never_joins(change, error):
    made = Sites(timeout_s=0.3)
    manifest = manifest_of()
    outcome = made.run(manifest, rows_of(manifest), manifests={"d": manifest_of(**change)})
    assert {type(outcome[site]) for site in COHORT} == {error}
    assert all(made.stores[s].find("run", 0, 0) is None for s in COHORT)
    made.close()


def test_attack_a_site_that_is_missing_leaves_nothing_open():
    made = Sites(timeout_s=0.3)
    manifest = manifest_of()
    rows = rows_of(manifest)
    del rows["d"]
    outcome = made.run(manifest, rows)
    assert {outcome[site].site for site in rows} == {"d"}
    assert all(made.stores[s].find("run", 0, 0) is None for s in COHORT)
    made.close()


def test_attack_a_site_that_contributes_nothing_or_twice_fails_the_counter(sites, monkeypatch):
    real = shared_sum_module.open_total
    for factor in (0, 2):

        def cheating(session, slots, factor=factor):
            return real(session, slots * factor if session.names[session.rank] == "b" else slots)

        monkeypatch.setattr(shared_sum_module, "open_total", cheating)
        manifest = manifest_of(attempt=factor)
        outcome = sites.run(manifest, rows_of(manifest))
        assert {type(outcome[s]) for s in COHORT} == {CiphertextInvalidError}
        assert {outcome[s].reason for s in COHORT} == {REFUSED}
        assert sites.stores["a"].find("run", 0, factor) is None


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize("value", [-1, 8001, -(2**63)])
def test_a_sum_out_of_range_is_refused_with_one_reason(place, value):
    layout = manifest_of().layout
    slots = np.full(8, 4000, np.int64)
    slots[0] = 4
    assert checked_sum(slots.copy(), layout).tolist() == [0] * 7
    slots[place] = value
    with pytest.raises(CiphertextInvalidError) as caught:
        checked_sum(slots, layout)
    assert (caught.value.reason, caught.value.index) == (REFUSED, None)


def test_a_sum_of_another_length_is_refused():
    with pytest.raises(CiphertextInvalidError):
        checked_sum(np.full(7, 4, np.int64), manifest_of().layout)


@pytest.mark.parametrize(
    "bad",
    [
        np.full(7, 1001, np.int64),
        np.full(7, -1001, np.int64),
        np.zeros(6, np.int64),
        np.zeros(7, np.int32),
        np.array([np.nan] * 7),
        [0] * 7,
    ],
    ids=["above", "below", "short", "int32", "NaN", "list"],
)
def test_a_bad_update_is_refused_before_any_site_is_reached(sites, bad, monkeypatch):
    monkeypatch.setattr(sites.networks["a"], "open_mesh", None)
    with pytest.raises(UpdateRejectedError) as caught:
        sites.ports["a"].contribute(bad, manifest_of(), receivers=RECEIVERS)
    assert caught.value.site == "a"


def test_only_receivers_get_a_sum(sites):
    manifest = manifest_of()
    sites.run(manifest, rows_of(manifest))
    outsider = sites.exchange.network("eve", "analyst")
    with pytest.raises(UpdateRejectedError, match="not a receiver"):
        call(outsider, "a", OPEN, ASK, DecryptedSum, timeout_s=5)
    with pytest.raises(PeerRejectedError):
        call(sites.analyst, "a", OPEN, Ack(), Ack, timeout_s=5)
    with pytest.raises(SiteUnavailableError, match="no sum of round 3"):
        call(
            sites.analyst,
            "a",
            OPEN,
            SumAsk(run="run", round_number=3, attempt=0, wait_ms=0),
            DecryptedSum,
            timeout_s=5,
        )
    sites.exchange.forget("eve")


def test_the_analyst_compares_the_sites_sums(sites):
    manifest = manifest_of()
    rows = rows_of(manifest)
    sites.run(manifest, rows)
    given = {"length": 7, "manifest": manifest.digest(), "deadline_s": 5}
    total = agreed_total(sites.analyst, COHORT, ASK, **given)
    assert total == np.sum(list(rows.values()), axis=0).tolist()
    with pytest.raises(UpdateRejectedError, match="another length"):
        agreed_total(sites.analyst, COHORT, ASK, **given | {"length": 8})
    with pytest.raises(UpdateRejectedError, match="another attempt"):
        agreed_total(sites.analyst, COHORT, ASK, **given | {"manifest": "ff"})
    sites.stores["c"].close()
    sites.stores["c"] = OpenedSums(None)
    sites.ports["c"]._kept = sites.stores["c"]
    assert agreed_total(sites.analyst, COHORT, ASK, **given) == total, "a site that has it not is passed over"
    assert sites.ports["c"].fetch(ASK, COHORT, length=7, manifest=None) == total, (
        "and gets it from the others"
    )
    sites.stores["c"].keep(
        manifest.attempt,
        OpenedSum(manifest=manifest.digest(), sent=b"", receivers=frozenset(RECEIVERS), values=bytes(56)),
    )
    with pytest.raises(UpdateRejectedError, match="a and c opened different sums"):
        agreed_total(sites.analyst, COHORT, ASK, **given)


def test_the_aggregator_refuses_an_attempt_of_shares(small_key):
    with pytest.raises(KeyMismatchError):
        SecureSum(small_key.public).begin(manifest_of())


def test_a_store_is_opened_once_and_only_when_needed():
    opened = []
    port = SharedSum(
        site="a", network=SimpleNamespace(), store=lambda: opened.append(1) or OpenedSums(None), deadline_s=1
    )
    port.close()
    assert opened == []
    ready = threading.Barrier(4)

    def find(_):
        ready.wait()
        return port._opened

    with ThreadPoolExecutor(4) as threads:
        assert len({id(store) for store in threads.map(find, range(4))}) == 1
    assert opened == [1]
    port.close()


def test_a_layout_beyond_the_ring_is_refused():
    with pytest.raises(ConfigError):
        manifest_of(half_range=2**62)
