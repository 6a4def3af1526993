"""What the parties of one attempt agreed on before anything was encrypted.

Layer:       federation.aggregation.manifest. Pure.
Terms:       an attempt of a round has its own cohort, charge and noise: (run, round, attempt) names it everywhere.
Guarantees:  two manifests with one digest say the same; a cohort has at least three different sites, and the layout's
             number of contributors is its size.
See instead: who signed it. Whoever hands a manifest to the rooms above has checked the signatures of the whole
             cohort, and derived the layout from the plan.
Source:      rules P13 to P15.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from federation.paillier.keys import KEY_TYPE

if TYPE_CHECKING:
    from federation.paillier.packing import Layout

_DIGEST_TAG: Final = b"crossward/paillier/manifest/2\n"
_MAX_NUMBER: Final = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The name of one attempt; ``number`` orders the attempts of a run for ever.

    Attributes:
        run: identifier of the training run (the charge's session id).
        round_number: from 0.
        attempt: from 0 in each round.
    """

    run: str
    round_number: int
    attempt: int

    def __post_init__(self) -> None:
        mistakes = []
        if not self.run:
            mistakes.append("run: a name is needed")
        for name in ("round_number", "attempt"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value < _MAX_NUMBER:
                mistakes.append(f"{name}: an integer from 0 to 2^31 - 1 is needed")
        if mistakes:
            raise ConfigError(mistakes=mistakes)

    @property
    def number(self) -> tuple[int, int]:
        """Round, then attempt: what must rise."""
        return (self.round_number, self.attempt)

    def __str__(self) -> str:
        return f"round {self.round_number}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything public about one attempt.

    Attributes:
        attempt: its name.
        cohort: the sites, sorted; each encrypts exactly once.
        layout: where each number stands; ``layout.contributors`` is the cohort's size.
        key_fingerprint: of the key under which everybody encrypts; its type is the only one that there is, and it
            stands in the canonical form, so that a party that knew another could not take one for the other.
    """

    attempt: Attempt
    cohort: tuple[str, ...]
    layout: Layout
    key_fingerprint: str

    def __post_init__(self) -> None:
        mistakes = []
        if list(self.cohort) != sorted(set(self.cohort)):
            mistakes.append("cohort: different sites in sorted order are needed")
        if len(self.cohort) != self.layout.contributors:
            mistakes.append("cohort: its size has to be the layout's number of contributors")
        if mistakes:
            raise ConfigError(mistakes=mistakes)

    def to_dict(self) -> dict[str, object]:
        """Give the canonical form."""
        return {
            "attempt": self.attempt.attempt,
            "cohort": list(self.cohort),
            "key_fingerprint": self.key_fingerprint,
            "key_type": KEY_TYPE,
            "layout": self.layout.to_dict(),
            "round": self.attempt.round_number,
            "run": self.attempt.run,
        }

    def digest(self) -> str:
        """Give SHA-256 over the canonical form, 64 hexadecimal digits."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(_DIGEST_TAG + text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedVector:
    """One site's update on its way to the aggregator, or the sum on its way to the key holder.

    Attributes:
        manifest_digest: of the manifest that it was made for: binds attempt, cohort, layout and key.
        attempt: the same attempt by name, so that a refusal can say what is old.
        key_fingerprint: of the key under which it is encrypted.
        ciphertexts: ``layout.count`` ciphertexts of fixed width.
    """

    manifest_digest: str
    attempt: Attempt
    key_fingerprint: str
    ciphertexts: bytes

    def __repr__(self) -> str:
        return f"EncryptedVector({self.attempt}, {len(self.ciphertexts)} bytes)"


def vector_for(manifest: Manifest, ciphertexts: bytes) -> EncryptedVector:
    """Bind ciphertexts to the attempt that they were made for."""
    return EncryptedVector(
        manifest_digest=manifest.digest(),
        attempt=manifest.attempt,
        key_fingerprint=manifest.key_fingerprint,
        ciphertexts=ciphertexts,
    )
