"""Messages between sites, aggregator, key holder and analyst in a training run.

Layer:       federation.protocol.training_messages, beside ``federation.protocol.messages``.
Guarantees:  no message holds a layout, a number of values or an exponent: all of these follow from the complete entry
             and the request. No message carries a model: every party derives it from the opened sums.
See instead: the bytes of a message (``codec``), the answers to them (``federation.aggregation.service``).
"""

from __future__ import annotations

from federation.protocol.messages import WireMessage


class KeyAsk(WireMessage, frozen=True, tag="KeyAsk"):
    """Any member to the key holder: send the public key."""


class KeyAnswer(WireMessage, frozen=True, tag="KeyAnswer"):
    """The modulus, big-endian; accepted only with the fingerprint that the consortium file pins."""

    modulus: bytes


class Start(WireMessage, frozen=True, tag="Start"):
    """Analyst to a site: take part in the attempt that this complete entry charges.

    ``used_attempts``: the opened attempt of each earlier round; the site fetches these sums.
    """

    request: bytes
    entry: bytes
    used_attempts: list[int]


class UpdateSent(WireMessage, frozen=True, tag="Sent"):
    """Site to analyst: the aggregator has received this site's update."""

    bytes_sent: int


class Prepare(WireMessage, frozen=True, tag="Prepare"):
    """Analyst to a site: compute a sum at the model of these opened rounds, keep it, and say when it is there.

    ``used_attempts``: as in ``Start``.
    """

    request: bytes
    used_attempts: list[int]


class Ready(WireMessage, frozen=True, tag="Ready"):
    """Site to analyst, at a public tick: this site keeps a sum for its next attempt."""


class MaskKeyAsk(WireMessage, frozen=True, tag="MaskKeyAsk"):
    """Site to site: send the public key of your masks."""


class MaskKey(WireMessage, frozen=True, tag="MaskKey"):
    """Site to site: the X25519 public key of this site's process, 32 bytes."""

    public: bytes


class Update(WireMessage, frozen=True, tag="Update"):
    """Site to aggregator: one encrypted update, with the entry that defines its manifest.

    ``mask_tags``: for every other site of the cohort the tag of the pair key under whose masks the update lies.
    """

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes
    mask_tags: dict[str, str]


class UpdateReceipt(WireMessage, frozen=True, tag="Taken"):
    """Aggregator to site: the update was accepted; the updates of these sites are missing."""

    missing: list[str]


class EncryptedSum(WireMessage, frozen=True, tag="Total"):
    """Aggregator to key holder: the encrypted sum of an attempt, to be decrypted once."""

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes


class SumAsk(WireMessage, frozen=True, tag="SumAsk"):
    """Analyst or site to key holder: send the decrypted sum of an attempt, waiting at most ``wait_ms`` (ms)."""

    run: str
    round_number: int
    attempt: int
    wait_ms: int


class DecryptedSum(WireMessage, frozen=True, tag="Opened"):
    """Key holder to analyst or site: the decrypted sum (little-endian int64)."""

    manifest: str
    values: bytes
