"""One block of a plan: what is added up, its bounds, and its noise.

Layer:       analytics.plans, below plan.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.statistics.uncertainty.noise_law import NoiseLaw
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.statistics.blocks import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One aggregate over all groups, as the plan fixes it.

    Attributes:
        measure: what is added up.
        meaning: the same in words, for people.
        bound: what one row (or unit) adds to a figure at most.
        clamp: each site's figure is clamped to plus or minus this.
        weight: public factor after the clamp and before noise; 1 in exact mode.
        sigma2_local: integer variance of each site's discrete Gaussian; 0 in exact mode and for Laplace noise.
        opened: whether its figures are opened.
        scale: of the discrete Laplace variable that the honest sites' shares add up to; None for other noise.
        cells: how many figures it has; None: one for each group of the question.
    """

    measure: Measure
    meaning: str
    bound: int
    clamp: int
    weight: int
    sigma2_local: int
    opened: bool
    scale: Fraction | None = None
    cells: int | None = None

    def law(self, *, n_sites: int, honest: int) -> NoiseLaw:
        """The law of all sites' noise on each of its figures."""
        return NoiseLaw(
            n_sites=n_sites,
            sigma2_local=self.sigma2_local,
            weight=self.weight,
            scale=self.scale,
            shares=honest,
        )

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        shape: dict[str, object] = {
            "measure": self.measure.value,
            "meaning": self.meaning,
            "bound": self.bound,
            "clamp": self.clamp,
            "weight": self.weight,
            "sigma2_local": self.sigma2_local,
            "opened": self.opened,
        }
        if self.cells is not None:
            shape["cells"] = self.cells
        return shape if self.scale is None else shape | {"scale": format_decimal(self.scale)}
