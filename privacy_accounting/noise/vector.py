"""One site's integer noise: a vector of variances in, a vector of fresh noise out.

Layer:       privacy_accounting.noise, above ``gaussian``.
Terms:       ``sigma2`` is the variance that must be left when ``colluding`` of ``parties`` reveal their noise;
             ``sigma2_local`` is the variance of each party's draw: ``sigma2 / (parties - colluding)``, rounded up.
Guarantees:  independent discrete Gaussians, exact, from bytes drawn for this call alone; a local variance below 1 is
             refused, because then a sum of discrete Gaussians is no longer close to one.
See instead: which variance pays for what (``calibration``), adding noise to figures (the caller, before it shares
             them).
Source:      Kairouz, Liu, Steinke 2102.06387, section 3; docs/guarantees.md P7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.noise.gaussian import LARGEST_SIGMA2, discrete_gaussian
from privacy_accounting.noise.source import SystemSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from privacy_accounting.noise.source import ByteSource


def integer_noise(sigma2: Sequence[int], source: ByteSource | None = None) -> NDArray[np.int64]:
    """Draw one discrete Gaussian for each variance.

    Cost: 200,000 values a second and more; equal variances are drawn together.

    Args:
        sigma2: parameter sigma squared of each value, an integer of 1 to ``2**80``; a sequence of Python or
            numpy integers.
        source: uniform bytes; the operating system by default.

    Returns:
        int64, shape ``(len(sigma2),)``.

    Raises:
        InvalidCostError: a variance is no integer, or out of range; the message names its place only.
    """
    wanted = [_checked(value, place) for place, value in enumerate(sigma2)]
    drawn_from = SystemSource() if source is None else source
    places: dict[int, list[int]] = {}
    for place, value in enumerate(wanted):
        places.setdefault(value, []).append(place)
    result = np.zeros(len(wanted), dtype=np.int64)
    for value, where in places.items():
        result[where] = discrete_gaussian(value, len(where), drawn_from)
    return result


def _checked(value: object, place: int) -> int:
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIGMA2:
        raise InvalidCostError(what=f"sigma2[{place}]", reason="must be an integer from 1 to 2^80")
    return value


def local_sigma2(sigma2: int, *, parties: int, colluding: int) -> int:
    """Give the variance that each party draws so that the honest ones together have ``sigma2``.

    Args:
        sigma2: that must be left, an integer of at least 1.
        parties: all that draw, at least 1.
        colluding: how many of them may reveal their noise, below ``parties``.

    Returns:
        ``sigma2 / (parties - colluding)``, rounded up; the same at every party.

    Raises:
        InvalidCostError: a number is out of range, or the local variance would be below 1.
    """
    for name, value in (("sigma2", sigma2), ("parties", parties), ("colluding", colluding)):
        if type(value) is not int or value < 0:
            raise InvalidCostError(what=name, reason="must be an integer of at least 0")
    honest = parties - colluding
    if honest < 1:
        raise InvalidCostError(what="colluding", reason="must be below the number of parties")
    if sigma2 < honest:
        raise InvalidCostError(
            what="sigma2", reason="leaves each party less than variance 1; scale the figures up"
        )
    return -(-sigma2 // honest)


def noise_share(
    sigma2: Sequence[int], *, parties: int, colluding: int, source: ByteSource | None = None
) -> NDArray[np.int64]:
    """Draw one party's share of the noise of a vector of figures.

    Args:
        sigma2: variance that must be left in each figure when ``colluding`` parties reveal theirs.
        parties: all that draw a share.
        colluding: how many may reveal theirs.
        source: uniform bytes; the operating system by default.

    Returns:
        int64, shape ``(len(sigma2),)``; fresh at every call, never to be used twice.

    Raises:
        InvalidCostError: as ``local_sigma2`` and ``integer_noise``.
    """
    local = [local_sigma2(int(value), parties=parties, colluding=colluding) for value in sigma2]
    return integer_noise(local, source)
