"""Packs integers into the slots of a plaintext, and unpacks the sum of all sites.

Layer:       federation.paillier.packing. Pure numpy: no key, no randomness.
Terms:       a slot is a fixed number of whole bytes; slot 0 of every plaintext is the *counter*, where each site
             writes 1, so that the sum says how many sites are in it. U is the clamp, K the number of contributors, H
             the half range.
Shapes:      values int64 ``(length,)``; plaintexts one Python integer each, ``layout.count`` of them.
Guarantees:  a site writes ``x + H`` with ``|x| <= H``, so that a slot's sum over K sites lies in ``[0, K 2H]``, which
             is less than the slot holds: no carry, no borrow, for any values. ``unpack_sum`` answers only when every
             counter equals K, every slot is in that range, and every unused slot and every bit above the last slot is
             0.
See instead: clipping, clamping and noise (``federation.training`` does them before), floats (never used here),
             encryption.
Source:      rule P13; layout after docs/adr/0010.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from federation.errors import CiphertextInvalidError, ConfigError, UpdateRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

MINIMUM_CONTRIBUTORS: Final = 3
TAIL_STANDARD_DEVIATIONS: Final = 12
_WORD_BYTES: Final = 8
_SPARE_TOP_BITS: Final = 2
_MAX_VALUES: Final = 1 << 28
# the keys themselves enforce the minimum size of keys; a layout only has to be consistent
_LEAST_KEY_BITS: Final = 256


def half_range(*, clamp: int, sigma2_local: int | Fraction) -> int:
    """Return ``H = U + ceil(12 sigma_local)``, in integers.

    Accuracy: exact. Noise of one site exceeds 12 standard deviations with probability below 2^-100.

    Args:
        clamp: U, the public bound on each coordinate; at least 1.
        sigma2_local: variance of one site's noise; 0 without noise.

    Raises:
        ConfigError: a value outside of its range.
    """
    if type(clamp) is not int or clamp < 1:
        raise ConfigError(mistakes=["clamp: a positive integer is needed"])
    if type(sigma2_local) not in {int, Fraction} or sigma2_local < 0:
        raise ConfigError(mistakes=["sigma2_local: a non-negative integer or Fraction is needed"])
    squared = TAIL_STANDARD_DEVIATIONS**2 * Fraction(sigma2_local)
    whole = -(-squared.numerator // squared.denominator)
    root = math.isqrt(whole)
    return clamp + root + (root * root < whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The position of each number of a round; every party derives it from the plan and never reads it from a message.

    Attributes:
        key_bits: size of n.
        length: how many values an update has.
        contributors: K, at least 3: with two, each would learn the other's update.
        half_range: H, see ``half_range``.
    """

    key_bits: int
    length: int
    contributors: int
    half_range: int

    def __post_init__(self) -> None:
        bounds = {
            "key_bits": (_LEAST_KEY_BITS, None),
            "length": (1, _MAX_VALUES),
            "contributors": (MINIMUM_CONTRIBUTORS, None),
            "half_range": (1, None),
        }
        mistakes = []
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if type(value) is not int or value < least or (most is not None and value > most):
                limit = f"at least {least}" if most is None else f"from {least} to {most}"
                mistakes.append(f"{name}: an integer {limit} is needed")
        if not mistakes and self.slot_bytes > _WORD_BYTES:
            mistakes.append("half_range: contributors * 2 * half_range has to be below 2^64")
        if not mistakes and self.slots < 2:  # noqa: PLR2004 - the counter and one value
            mistakes.append("key_bits: too small for the counter and one value")
        if mistakes:
            raise ConfigError(mistakes=mistakes)

    @property
    def largest_sum(self) -> int:
        """``K 2H``: the largest sum of honest sites that a slot can hold."""
        return self.contributors * 2 * self.half_range

    @property
    def slot_bytes(self) -> int:
        """Width of a slot in whole bytes; it holds ``largest_sum``."""
        return (self.largest_sum.bit_length() + 7) // 8

    @property
    def slots(self) -> int:
        """Slots of one plaintext, counter included; the top two bits below n stay free."""
        return (self.key_bits - 1 - _SPARE_TOP_BITS) // (8 * self.slot_bytes)

    @property
    def values_per_plaintext(self) -> int:
        """Slots of one plaintext that carry a value."""
        return self.slots - 1

    @property
    def count(self) -> int:
        """Plaintexts, and so ciphertexts, of one update."""
        return -(-self.length // self.values_per_plaintext)

    def to_dict(self) -> dict[str, int]:
        """Return the layout for a manifest's canonical form."""
        return {
            "contributors": self.contributors,
            "half_range": self.half_range,
            "key_bits": self.key_bits,
            "length": self.length,
            "slot_bytes": self.slot_bytes,
        }


def pack(values: npt.NDArray[np.int64], layout: Layout, *, site: str) -> list[int]:
    """Pack one site's update into plaintexts, with a 1 in every counter slot.

    Visible to: the site alone; the plaintexts are as secret as the update.

    Args:
        values: clamped and noised integers, int64, shape ``(layout.length,)``, each within ``+-half_range``.
        layout: of the round.
        site: whose update it is, for the error.

    Raises:
        UpdateRejectedError: another type, shape or range.
    """
    mistake = values_mistake(values, layout)
    if mistake is not None:
        raise UpdateRejectedError(site=site, reason=mistake)
    slots = np.zeros((layout.count, layout.slots), dtype="<u8")
    slots[:, 0] = 1
    filled = np.zeros(layout.count * layout.values_per_plaintext, dtype="<u8")
    filled[: layout.length] = (values + layout.half_range).astype("<u8")
    slots[:, 1:] = filled.reshape(layout.count, layout.values_per_plaintext)
    # the low bytes of each word, side by side: one integer a row, little end first
    rows = slots.view(np.uint8).reshape(layout.count, layout.slots, _WORD_BYTES)[:, :, : layout.slot_bytes]
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def unpack_sum(plaintexts: Sequence[int], layout: Layout) -> npt.NDArray[np.int64]:
    """Read the sum of all contributors' values, or refuse.

    Visible to: the key holder.

    Args:
        plaintexts: decrypted, ``layout.count`` of them.
        layout: of the round.

    Returns:
        The sums, shape ``(layout.length,)``, with the offsets subtracted.

    Raises:
        CiphertextInvalidError: a counter that is not K, a slot out of range, or bits outside of the slots in use.
    """
    if len(plaintexts) != layout.count:
        raise CiphertextInvalidError(reason=f"{len(plaintexts)} plaintexts, {layout.count} are planned")
    row_bytes = layout.slots * layout.slot_bytes
    for index, plaintext in enumerate(plaintexts):
        if not 0 <= plaintext < 1 << (8 * row_bytes):
            raise CiphertextInvalidError(reason="there are bits above the last slot", index=index)
    narrow = np.frombuffer(
        b"".join(int(plaintext).to_bytes(row_bytes, "little") for plaintext in plaintexts), np.uint8
    )
    wide = np.zeros((layout.count, layout.slots, _WORD_BYTES), np.uint8)
    wide[:, :, : layout.slot_bytes] = narrow.reshape(layout.count, layout.slots, layout.slot_bytes)
    slots = wide.view("<u8")[:, :, 0]
    _refuse_any(slots[:, 0] != layout.contributors, "the counter is not the number of contributors")
    _refuse_any(slots[:, 1:].max(axis=1) > layout.largest_sum, "a slot is out of range")
    offsets = slots[:, 1:].reshape(-1)
    if offsets[layout.length :].any():
        raise CiphertextInvalidError(reason="an unused slot is not empty", index=layout.count - 1)
    # wrapping subtraction: both sides are below 2^64 and the difference fits int64
    shift = np.uint64(layout.contributors * layout.half_range)
    return (offsets[: layout.length].astype(np.uint64) - shift).view(np.int64)


def values_mistake(values: object, layout: Layout) -> str | None:
    """Return why an array is not one site's update, or None."""
    if not isinstance(values, np.ndarray):
        return "values: a numpy array is needed"
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return "values: NaN or infinity"
    if values.dtype != np.int64:
        return f"values: dtype {values.dtype}, int64 is needed"
    if values.shape != (layout.length,):
        return f"values: shape {values.shape}, ({layout.length},) is planned"
    if (values > layout.half_range).any() or (values < -layout.half_range).any():
        return "values: a coordinate is outside of the planned range"
    return None


def _refuse_any(failed: npt.NDArray[np.bool_], reason: str) -> None:
    if failed.any():
        raise CiphertextInvalidError(reason=reason, index=int(failed.argmax()))
