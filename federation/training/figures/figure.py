"""A figure of an evaluation: a function of noisy sums, cut to the range that it can have.

Layer:       federation.training.figures.figure, below the figures.
Guarantees:  the error by the noise is taken of the figure before it is cut: a figure that the noise moves to an end of its
             range is not certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.training.encodings.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of an evaluation.

    Attributes:
        uncut: the figure as a function of the opened sums; None where the noise leaves no rows.
        low: least value that it can have.
        high: largest value.
    """

    uncut: Callable[[Floats], float | None]
    low: float = 0.0
    high: float = 1.0

    def __call__(self, sums: Floats) -> float | None:
        """Return the figure within its range."""
        value = self.uncut(sums)
        return None if value is None else min(self.high, max(self.low, value))
