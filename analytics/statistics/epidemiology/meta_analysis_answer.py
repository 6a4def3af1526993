"""The answer of a meta-analysis of sites: pooled effects and their heterogeneity, each of three digits.

Layer:       analytics.statistics above base and distributions.
Guarantees:  all that is shown follows from what opened: pooled effects, their standard errors, Q and tau squared, each
             rounded on shares to three significant digits. Figures of one site are among them where ``by_site`` was asked
             for and every site consented; a site's weight follows from its standard error and tau squared.
Visible to:  the analyst.
Source:      Cochran 1954; DerSimonian and Laird 1986; Higgins and Thompson 2002 for I squared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.epidemiology.site_effects import RATIOS
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A pooled effect, or that of one site.

    Attributes:
        name: fixed or random; of one site the site's.
        estimate: of ratios their logarithm.
        standard_error: likewise.
    """

    name: str
    estimate: float
    standard_error: float

    @property
    def pvalue(self) -> float:
        """Of Wald's test that it is 0."""
        return math.erfc(abs(self.estimate / self.standard_error) / math.sqrt(2))

    def interval(self, level: float) -> tuple[float, float]:
        """Wald's interval."""
        width = NormalDist().inv_cdf((1 + level) / 2) * self.standard_error
        return self.estimate - width, self.estimate + width


@dataclass(frozen=True, kw_only=True)
class MetaAnalysisAnswer(Answer):
    """Pooled effects.

    Attributes:
        measure: odds_ratio, risk_ratio, risk_difference or mean_difference.
        n_sites: sites whose effects are pooled.
        effects: the fixed effect, then the random one where it was asked. Empty where it is closed.
        q: Cochran's sum of weighted squares around the fixed effect.
        tau2: variance between sites, by DerSimonian and Laird.
        sites: the effect of each site, where these were asked for and every site consented; in the order of the sites.
    """

    measure: str
    n_sites: int
    effects: tuple[Effect, ...] = ()
    sites: tuple[Effect, ...] = ()
    q: float | None = None
    tau2: float | None = None

    @property
    def df(self) -> int:
        """Degrees of freedom of Q."""
        return self.n_sites - 1

    @property
    def q_pvalue(self) -> float | None:
        """Of the test that all sites have one effect."""
        return None if self.q is None else chi_square_tail(self.q, self.df)

    @property
    def i2(self) -> float | None:
        """The part of the variance that is between sites."""
        if self.q is None:
            return None
        return max(0.0, 1 - self.df / self.q) if self.q > 0 else 0.0

    @property
    def estimate(self) -> float | None:
        """The last effect in the measure's own unit: ratios are no logarithms here."""
        return self._shown(self.effects[-1].estimate) if self.effects else None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Its interval; None where it is closed."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if not self.effects:
            return None
        low, high = self.effects[-1].interval(level)
        return self._shown(low), self._shown(high)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of each of ``sites`` its part in the last pooled effect; together 1."""
        between = self.tau2 if self.tau2 is not None and len(self.effects) > 1 else 0.0
        parts = [1 / (each.standard_error**2 + between) for each in self.sites]
        return tuple(part / sum(parts) for part in parts)

    def named(self, sites: Sequence[str]) -> MetaAnalysisAnswer:
        """See ``Answer``."""
        named = [replace(each, name=name) for each, name in zip(self.sites, sites, strict=bool(self.sites))]
        return replace(self, sites=tuple(named))

    def lines(self) -> list[str]:
        """See ``Answer``; also which sites consented to figures about themselves."""
        if not self.sites:
            return super().lines()
        return [
            *super().lines(),
            f"consented to figures about themselves: {', '.join(each.name for each in self.sites)}",
        ]

    def _shown(self, value: float) -> float:
        return math.exp(value) if self.measure in RATIOS else value

    @property
    def frame(self) -> pd.DataFrame:
        """One row an effect: of the sites where they are given, with their weights, then the pooled ones."""
        import pandas as pd

        rows = [*self.sites, *self.effects]
        ends = [each.interval(0.95) for each in rows]
        columns: dict[str, list[float | None]] = {
            self.measure: [self._shown(each.estimate) for each in rows],
            "low": [self._shown(low) for low, _ in ends],
            "high": [self._shown(high) for _, high in ends],
            "standard_error": [each.standard_error for each in rows],
            "pvalue": [each.pvalue for each in rows],
        }
        if self.sites:
            columns["weight"] = [*self.weights, *[None] * len(self.effects)]
        return pd.DataFrame(columns, index=[each.name for each in rows], dtype="Float64")

    def picture(self) -> Estimates:
        """The effects with their 95 % intervals; below those of sites the pooled ones as diamonds."""
        rows = [*self.sites, *self.effects]
        ends = [each.interval(0.95) for each in rows]
        return Estimates(
            labels=[each.name for each in rows],
            values=[self._shown(each.estimate) for each in rows],
            low=[self._shown(low) for low, _ in ends],
            high=[self._shown(high) for _, high in ends],
            x_name=f"{self.measure.replace('_', ' ')}, 95 % interval",
            reference=self._shown(0.0),
            is_ratio=self.measure in RATIOS,
            weights=self.weights,
            n_pooled=len(self.effects) if self.sites else 0,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        interval = self.interval()
        return {
            "measure": self.measure,
            "n_sites": self.n_sites,
            "estimate": self.estimate,
            "low": None if interval is None else interval[0],
            "high": None if interval is None else interval[1],
            "effects": [
                {"name": each.name, "estimate": each.estimate, "standard_error": each.standard_error}
                for each in self.effects
            ],
            "sites": [
                {
                    "name": each.name,
                    "estimate": each.estimate,
                    "standard_error": each.standard_error,
                    "weight": weight,
                }
                for each, weight in zip(self.sites, self.weights, strict=True)
            ],
            "q": self.q,
            "df": self.df,
            "q_pvalue": self.q_pvalue,
            "i2": self.i2,
            "tau2": self.tau2,
        }
