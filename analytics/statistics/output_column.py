"""One column of an answer: which blocks it needs and how it is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.sql.query import Aggregate
    from analytics.statistics.blocks import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanColumn:
    """One column of the answer.

    Attributes:
        name: its name.
        key: which group key it repeats; None for an aggregate.
        aggregate: which aggregate; None for a group key.
        unit: what one integer step of the argument is worth.
        center: what was subtracted from the argument, in steps.
        offset: what was subtracted from each squared step.
        blocks: the blocks it is made from, by measure.
    """

    name: str
    key: int | None = None
    aggregate: Aggregate | None = None
    unit: Fraction = Fraction(1)
    center: int = 0
    offset: int = 0
    blocks: tuple[tuple[Measure, int], ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "name": self.name,
            "key": self.key,
            "aggregate": None if self.aggregate is None else self.aggregate.value,
            "unit": str(self.unit),
            "center": self.center,
            "offset": self.offset,
            "blocks": [[measure.value, number] for measure, number in self.blocks],
        }
