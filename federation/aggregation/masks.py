"""Pairwise masks under the encryption: one site's plaintext is uniform, the sum over the cohort is unchanged.

Layer:       federation.aggregation.masks, above manifest. Pure: no socket, no file, no clock.
Terms:       two sites share a *pair key* that no other party has. The *mask* of a plaintext is the sum over the other
             sites of the cohort of one number modulo n from each pair key; the site whose name sorts first adds the
             number, the other one subtracts it. The *tag* of a pair key for one attempt shows whether both sites have
             the same key, and nothing else.
Guarantees:  each number is uniform modulo n, drawn by rejection, and bound to run, round, attempt, cohort, layout and
             key (by the manifest's digest) and to its place in the vector. The masks of a cohort add up to 0 modulo n. So a sum
             over fewer sites than the cohort, with a site twice, or with a vector of another attempt, is uniform too,
             and the key holder refuses it. Aggregator and key holder together see one site's update no better than
             each of them alone; with c sites of the cohort they see the sum over the other K - c.
See instead: how two sites come to their key (``mask_keys``), the sum's checks (``open_sum``).
Source:      rule P15; Bonawitz et al., CCS 2017, section 4 (masks that cancel), here modulo n under Paillier. If SHAKE-256
             is a random function and the pair key has 256 bits, no test tells a mask from a uniform number.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.aggregation.manifest import Manifest

PAIR_KEY_BYTES: Final = 32
_MASK_TAG: Final = b"crossward/paillier/mask/1\n"
_TAG_TAG: Final = b"crossward/paillier/mask-tag/1\n"
_TAG_BYTES: Final = 16
_PLACE_BYTES: Final = 4


def masked(
    plaintexts: Sequence[int], manifest: Manifest, *, site: str, keys: Mapping[str, bytes], n: int
) -> list[int]:
    """Add a site's masks to its packed plaintexts.

    Visible to: the site alone; what comes out may be encrypted and sent.
    Cost: about 4 us a plaintext and peer at 3072 bits.

    Args:
        plaintexts: packed, each ``0 <= m < n``.
        manifest: of the attempt.
        site: whose plaintexts they are.
        keys: the pair key of every other site of the cohort, 32 bytes each.
        n: the modulus.

    Returns:
        As many integers from 0 to n - 1, uniform to everybody who lacks one of the pair keys of an honest site.

    Raises:
        ValueError: ``keys`` are not those of the other sites of the cohort.
    """
    others = [name for name in manifest.cohort if name != site]
    if site not in manifest.cohort or sorted(keys) != sorted(others):
        raise ValueError("the pair keys are not those of the cohort")
    totals = list(plaintexts)
    for other in others:
        sign = 1 if site < other else -1
        stream = _stream_of(keys[other], manifest)
        for place in range(len(totals)):
            totals[place] = (totals[place] + sign * _number(stream, place, n)) % n
    return totals


def mask_tag(key: bytes, manifest: Manifest) -> str:
    """Return what a site tells the aggregator about a pair key: equal at both sites exactly if their keys are.

    Args:
        key: the pair key.
        manifest: of the attempt.

    Returns:
        32 hexadecimal digits, which say nothing about a key of 256 bits or its masks.
    """
    return hashlib.shake_256(_TAG_TAG + key + manifest.digest().encode("ascii")).hexdigest(_TAG_BYTES)


def _stream_of(key: bytes, manifest: Manifest) -> bytes:
    """Return the seed of one pair's numbers in one attempt."""
    if len(key) != PAIR_KEY_BYTES:
        raise ValueError("a pair key has 32 bytes")
    return _MASK_TAG + key + manifest.digest().encode("ascii")


def _number(seed: bytes, place: int, n: int) -> int:
    """Draw the number of one place: the first candidate of n's length that is below n."""
    bits = n.bit_length()
    width, spare = (bits + 7) // 8, -bits % 8
    start = seed + place.to_bytes(_PLACE_BYTES, "big")
    attempt = 0
    while True:
        data = hashlib.shake_256(start + attempt.to_bytes(_PLACE_BYTES, "big")).digest(width)
        candidate = int.from_bytes(data, "big") >> spare
        if candidate < n:
            return candidate
        attempt += 1
