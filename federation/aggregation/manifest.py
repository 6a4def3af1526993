"""The manifest: what the parties of one attempt agreed on before any site encrypted its update.

Layer:       federation.aggregation.manifest. Pure.
Terms:       an attempt of a round has its own cohort, charge and noise; (run, round, attempt) identifies it
             everywhere.
Guarantees:  two manifests with one digest are equal. A cohort has at least three different sites, and the layout's
             number of contributors is its size.
See instead: the signatures: the caller has checked those of the whole cohort, and derived the layout from the plan,
             before it hands a manifest to the modules above.
Source:      rules P13 to P15.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from federation.paillier.keys import FULL_EXPONENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.paillier.packing import Layout

_DIGEST_TAG: Final = b"crossward/paillier/manifest/3\n"
MASK_TYPE: Final = "pairwise"
_MAX_NUMBER: Final = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The identifier of one attempt; ``number`` orders the attempts of a run for ever.

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
        """Round, then attempt: the value that must rise."""
        return (self.round_number, self.attempt)

    def __str__(self) -> str:
        return f"round {self.round_number}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The public facts of one attempt.

    Attributes:
        attempt: its identifier.
        cohort: the sites, sorted; each encrypts exactly once.
        layout: the position of each number; ``layout.contributors`` is the cohort's size.
        key_fingerprint: of the key under which all sites encrypt.
        key_type: with full or with short exponents. It stands in the canonical form, as does the type of the masks under
            the encryption, which both types of key have.
    """

    attempt: Attempt
    cohort: tuple[str, ...]
    layout: Layout
    key_fingerprint: str
    key_type: str = FULL_EXPONENT

    def __post_init__(self) -> None:
        mistakes = []
        if list(self.cohort) != sorted(set(self.cohort)):
            mistakes.append("cohort: different sites in sorted order are needed")
        if len(self.cohort) != self.layout.contributors:
            mistakes.append("cohort: its size has to be the layout's number of contributors")
        if mistakes:
            raise ConfigError(mistakes=mistakes)

    def to_dict(self) -> dict[str, object]:
        """Return the canonical form."""
        return {
            "attempt": self.attempt.attempt,
            "cohort": list(self.cohort),
            "key_fingerprint": self.key_fingerprint,
            "key_type": self.key_type,
            "layout": self.layout.to_dict(),
            "masks": MASK_TYPE,
            "round": self.attempt.round_number,
            "run": self.attempt.run,
        }

    def digest(self) -> str:
        """Return SHA-256 over the canonical form, 64 hexadecimal digits."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(_DIGEST_TAG + text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedVector:
    """One site's update on its way to the aggregator, or the sum on its way to the key holder.

    Attributes:
        manifest_digest: of its manifest: binds attempt, cohort, layout and key.
        attempt: the same attempt's identifier, so that a refusal can say which one is old.
        key_fingerprint: of the key under which it is encrypted.
        ciphertexts: ``layout.count`` ciphertexts of fixed width.
        mask_tags: of an update, the tag of the pair key with every other site of the cohort; of a sum, none.
    """

    manifest_digest: str
    attempt: Attempt
    key_fingerprint: str
    ciphertexts: bytes
    mask_tags: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"EncryptedVector({self.attempt}, {len(self.ciphertexts)} bytes)"


def vector_for(
    manifest: Manifest, ciphertexts: bytes, *, mask_tags: Mapping[str, str] | None = None
) -> EncryptedVector:
    """Bind ciphertexts to their attempt."""
    return EncryptedVector(
        manifest_digest=manifest.digest(),
        attempt=manifest.attempt,
        key_fingerprint=manifest.key_fingerprint,
        ciphertexts=ciphertexts,
        mask_tags=mask_tags or {},
    )
