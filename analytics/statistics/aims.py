"""What a promise of accuracy depends on besides the noise.

Layer:       analytics.statistics, the lowest; pure data.
See instead: what each aggregate promises (``aggregate.miss``), the search (``analytics.accuracy``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A distance that noise should not move a figure by.

    Attributes:
        within: in the units of the answer, above 0.
        n_rows: so many rows with a value, at least, stand behind each cell; None where that is not known.
    """

    within: Fraction
    n_rows: int | None = None
