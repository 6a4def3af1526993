"""The group ristretto255: hash to the group, blinding, and the checks of what a peer sends.

Layer:       smpc.set_intersection.group, the lowest.
Shapes:      elements and scalars are 32 bytes, hashed inputs 64; a *block* is so many of them one after the other.
Guarantees:  the group has prime order and every element has one encoding, so that no bit of a cofactor, of a twist or of
             a second encoding is there to be kept. What is not the canonical encoding of an element, and the identity,
             is refused before it is used. Keys are uniform and never zero.
See instead: RFC 9496 (the group and its map from uniform bytes), RFC 9380 appendix B (why hashing through it is a random oracle).
Source:      libsodium through ``rbcl``; test vectors of RFC 9496 in the tests.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Final

from smpc.errors import PeerRejectedError

ELEMENT_BYTES: Final = 32
HASH_BYTES: Final = 64
IDENTITY: Final = bytes(ELEMENT_BYTES)
INVALID: Final = "an element of the set intersection is the identity or not a canonical encoding"


def is_installed() -> bool:
    """Whether this installation has the library of the group (``crossward[linkage]``)."""
    return importlib.util.find_spec("rbcl") is not None


def _library() -> Any:
    import rbcl

    return rbcl


def fresh_scalar() -> bytes:
    """Draw a secret key, uniform below the group's order and not zero."""
    return bytes(_library().crypto_core_ristretto255_scalar_random())


def base_multiple(scalar: bytes) -> bytes:
    """Return ``scalar`` times the group's generator."""
    return bytes(_library().crypto_scalarmult_ristretto255_base(scalar))


def scalar_product(one: bytes, other: bytes) -> bytes:
    """Return the product of two scalars."""
    return bytes(_library().crypto_core_ristretto255_scalar_mul(one, other))


def hash_to_group(hashed: bytes) -> bytes:
    """Map 64 uniform bytes to an element: two Elligator maps, added."""
    return bytes(_library().crypto_core_ristretto255_from_hash(hashed))


def multiple(scalar: bytes, element: bytes) -> bytes:
    """Return ``scalar`` times an element.

    Raises:
        PeerRejectedError: the element is the identity, or not canonically encoded.
    """
    try:
        found = bytes(_library().crypto_scalarmult_ristretto255(scalar, element))
    except (RuntimeError, ValueError, TypeError) as error:
        raise PeerRejectedError(reason=INVALID) from error
    return found


def check_element(element: bytes) -> None:
    """Check that bytes are an element other than the identity.

    Raises:
        PeerRejectedError: they are not.
    """
    is_right = len(element) == ELEMENT_BYTES and element != IDENTITY
    if not (is_right and _library().crypto_core_ristretto255_is_valid_point(element)):
        raise PeerRejectedError(reason=INVALID)


def blinded(scalar: bytes, hashed: bytes) -> bytes:
    """Hash each input of a block to the group and blind it.

    Args:
        scalar: this party's key.
        hashed: ``n`` inputs of 64 bytes.

    Returns:
        ``n`` elements.
    """
    return b"".join(
        multiple(scalar, hash_to_group(hashed[start : start + HASH_BYTES]))
        for start in range(0, len(hashed), HASH_BYTES)
    )


def multiples(scalar: bytes, elements: bytes) -> bytes:
    """Multiply each element of a block; raises as ``multiple``."""
    return b"".join(
        multiple(scalar, elements[start : start + ELEMENT_BYTES])
        for start in range(0, len(elements), ELEMENT_BYTES)
    )


def check_elements(elements: bytes) -> None:
    """Check each element of a block; raises as ``check_element``."""
    for start in range(0, len(elements), ELEMENT_BYTES):
        check_element(elements[start : start + ELEMENT_BYTES])
