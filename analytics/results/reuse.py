"""Released blocks used again: which block a figure belongs to, several releases of it combined, the answer.

Layer:       analytics.results above assemble and plans; pure, public arithmetic on noisy answers.
Terms:       a *block identity* is the hash of everything that fixes a block's true values but the rows themselves: its
             own compiled local statement, bounds, clamp, groups, the table's schema, and the facts of the consortium.
             An *observation* is one release of a block.
Guarantees:  no true value is touched. Two blocks have one identity only where plan and schema say so. Observations of
             one block with Gaussian noise are weighted with the inverse of their public noise variance. One with Laplace
             noise is used alone, where its noise is least: the law of a mixture is neither, and an interval that took it
             for one of them would be wrong. Observations that differ by more than their noise explains are not combined:
             the newest alone is used.
See instead: where an analyst keeps observations (``federation.client.kept.answer_store``).
Source:      docs/guarantees.md P23. Weights: the best linear unbiased combination of independent observations. The
             comparison is Cochran's Q (Biometrics 10, 1954), a chi-squared variable under equal true values.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import ReleaseRefusedError
from analytics.plans.block_layout import lay_out
from analytics.plans.local_query import local_statement
from analytics.results.assemble import finish_figures
from analytics.statistics.uncertainty.distributions import chi_square_tail
from analytics.statistics.uncertainty.estimates import Opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.plan import Plan
    from analytics.results.result import Result
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

CHANGED: Final = 1e-6  # so rarely noise alone makes two releases look as if the rows had changed
_ROUNDING: Final = 1 + 1e-9
_WIDTH: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One release of one block.

    Attributes:
        number: of the ledger entry that paid for it.
        law: the noise on each value.
        values: the opened integers, one for each group.
    """

    number: int
    law: NoiseLaw
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """What all observations of a block say together.

    Attributes:
        figures: one for each group.
        numbers: the ledger entries that it is made from.
        left_out: those that were not used because the rows have changed since.
    """

    figures: tuple[Opened, ...]
    numbers: tuple[int, ...]
    left_out: tuple[int, ...] = ()

    @property
    def noise_sd(self) -> float:
        """Standard deviation of the noise on each figure, in integer steps."""
        return self.figures[0].noise_sd

    def reach(self, width: float) -> float:
        """How far noise moves a figure, in integer steps, as seldom as Gaussian noise by ``width`` deviations."""
        law = self.figures[0].law
        return self.noise_sd * (width if law is None else law.deviations(width))


def block_identities(plan: Plan, facts: Mapping[str, object]) -> tuple[str, ...]:
    """The identity of each block of a private plan.

    Args:
        plan: any private plan.
        facts: what else must be equal: configuration, cohort, version; plain data.

    Returns:
        SHA-256 in hexadecimal, in the order of the blocks.
    """
    query, table = plan.query, plan.query.table
    common = {
        "format": 1,
        "facts": dict(facts),
        "schema": table.to_dict(),
        "groups": [[key.column.name, list(key.labels)] for key in query.groups],
        "n_sites": plan.context.n_sites,
        "relation": plan.context.relation,
        "sites_per_unit": table.sites_per_unit(plan.context.n_sites),
    }
    layout = lay_out(query, centered=True)
    return tuple(
        _digest(
            common
            | {
                "local_sql": local_statement(query, (spec,), filtered=True, known=layout.known),
                "measure": block.measure.value,
                "bound": block.bound,
                "clamp": block.clamp,
                "center": spec.center,
                "offset": spec.offset,
            }
        )
        for spec, block in zip(layout.figures, plan.blocks, strict=True)
    )


def _digest(fields: Mapping[str, object]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def observations_of(plan: Plan, opened: Sequence[int | None], number: int) -> tuple[Observation, ...]:
    """What an answer released, block by block.

    Args:
        plan: the private plan that ran.
        opened: the opened integers, in the order of ``plan.opened``.
        number: of the ledger entry.

    Raises:
        ReleaseRefusedError: a figure is missing; a private plan opens every figure.
    """
    values = [value for value in opened if value is not None]
    if len(values) != len(plan.blocks) * plan.n_groups:
        raise ReleaseRefusedError(rule="opening_length", reason="a private answer opens every figure")
    size = plan.n_groups
    return tuple(
        Observation(
            number=number,
            law=plan.noise_law(place),
            values=tuple(values[place * size : (place + 1) * size]),
        )
        for place in range(len(plan.blocks))
    )


def combine(observations: Sequence[Observation]) -> Combined:
    """Combine the releases of one block, with the inverse of their variances as weights.

    Args:
        observations: at least one, all of one block, in any order.

    Returns:
        Figures and their noise: of the Gaussian releases together, or of one Laplace release with less noise. A weighted
        sum of independent discrete Gaussians of such widths is a Gaussian far below what a float shows, so that its
        standard deviation fixes its law.
    """
    ordered = sorted(observations, key=lambda each: each.number)
    used = ordered if not _have_changed(ordered) else ordered[-1:]
    left_out = tuple(each.number for each in ordered if each not in used)
    gaussian = [each for each in used if each.law.scale is None]
    candidates = [gaussian] * bool(gaussian) + [[each] for each in used if each.law.scale is not None]
    chosen = max(candidates, key=lambda several: sum(1 / _variance(each.law) for each in several))
    heavy = next((each.law for each in chosen if each.law.scale is not None), None)
    precisions = [1 / _variance(each.law) for each in chosen]
    whole = sum(precisions)
    figures = tuple(
        Opened(value=value, noise_sd=math.sqrt(1 / whole), law=heavy)
        for value in (
            sum(
                (
                    p * Fraction(v, each.law.weight)
                    for p, each, v in zip(precisions, chosen, group, strict=True)
                ),
                Fraction(),
            )
            / whole
            for group in zip(*(each.values for each in chosen), strict=True)
        )
    )
    return Combined(
        figures=figures,
        numbers=tuple(each.number for each in chosen),
        left_out=left_out,
    )


def _variance(law: NoiseLaw) -> Fraction:
    if law.scale is not None:
        return Fraction(law.sd) ** 2
    return Fraction(law.n_sites * law.sigma2_local, law.weight**2)


def _have_changed(observations: Sequence[Observation]) -> bool:
    """Whether the releases differ by more than noise explains, at the level ``CHANGED``."""
    if len(observations) == 1:
        return False
    precisions = [1 / _variance(each.law) for each in observations]
    whole, excess, degrees = sum(precisions), 0.0, 0
    for group in zip(*(each.values for each in observations), strict=True):
        values = [Fraction(v, each.law.weight) for v, each in zip(group, observations, strict=True)]
        middle = sum((p * v for p, v in zip(precisions, values, strict=True)), Fraction()) / whole
        excess += float(sum(p * (v - middle) ** 2 for p, v in zip(precisions, values, strict=True)))
        degrees += len(values) - 1
    return chi_square_tail(excess, degrees) < CHANGED


def is_accurate_enough(plan: Plan, combined: Sequence[Combined]) -> bool:
    """Whether the noise on every block is at most what the plan would add, in standard deviation and in 95 % reach.

    Args:
        plan: what would be paid for.
        combined: of each of its blocks.
    """
    laws = [plan.noise_law(number) for number in range(len(combined))]
    return all(
        each.noise_sd <= law.sd * _ROUNDING
        and each.reach(_WIDTH) <= law.sd * law.deviations(_WIDTH) * _ROUNDING
        for each, law in zip(combined, laws, strict=True)
    )


def finish_combined(
    plan: Plan,
    combined: Sequence[Combined],
    *,
    cost: Mapping[str, object],
    receipt: Mapping[str, object],
) -> Result:
    """Make the answer from releases of its blocks.

    Visible to: the analyst alone.

    Args:
        plan: the question's plan.
        combined: of each of its blocks.
        cost: what this answer cost.
        receipt: says which releases it is made from.
    """
    values = {
        number * plan.n_groups + group: figure
        for number, each in enumerate(combined)
        for group, figure in enumerate(each.figures)
    }
    return finish_figures(plan, values, cost=cost, receipt=receipt)
