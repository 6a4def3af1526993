import numpy as np
import pytest

from federation.aggregation.claims import Claims
from federation.aggregation.manifest import Attempt, Manifest, vector_for
from federation.aggregation.open_sum import KeyHolder
from federation.paillier.cipher import Encryptor
from federation.paillier.keys import generate_private_key
from federation.paillier.packing import Layout, pack


@pytest.fixture(scope="session")
def product_key():
    return generate_private_key(bits=2048)


@pytest.fixture(scope="session")
def encryptor(small_key):
    return Encryptor(small_key.public)


class Round:
    """One attempt over a small key: a manifest, updates of its sites, an aggregator and a key holder."""

    def __init__(self, key, encryptor, holder):
        self.key, self.encryptor, self.holder = key, encryptor, holder

    def manifest(
        self, *, sites=("a", "b", "c"), round_number=0, attempt=0, length=40, half_range=1000, run="run"
    ):
        layout = Layout(
            key_bits=self.key.public.bits, length=length, contributors=len(sites), half_range=half_range
        )
        return Manifest(
            attempt=Attempt(run=run, round_number=round_number, attempt=attempt),
            cohort=tuple(sites),
            layout=layout,
            key_fingerprint=self.key.public.fingerprint,
        )

    def plaintexts(self, manifest, value):
        return pack(np.full(manifest.layout.length, value, np.int64), manifest.layout, site="a")

    def update(self, manifest, value, *, encryptor=None, sender=None):
        """An update under no masks; with a sender it names tags that agree with everybody's."""
        tags = None if sender is None else dict.fromkeys(set(manifest.cohort) - {sender}, "none")
        ciphertexts = (encryptor or self.encryptor).encrypt(self.plaintexts(manifest, value))
        return vector_for(manifest, ciphertexts, mask_tags=tags)

    def of(self, manifest, ciphertexts):
        n = self.key.public.n
        width = self.key.public.ciphertext_bytes
        return vector_for(
            manifest, b"".join((c % 2 ** (8 * width)).to_bytes(width, "big") for c in ciphertexts)
        ), n


@pytest.fixture
def answers(tmp_path):
    store = Claims(tmp_path / "answers.sqlite")
    yield store
    store.close()


@pytest.fixture
def stage(small_key, encryptor, answers):
    return Round(small_key, encryptor, KeyHolder(small_key, answers))
