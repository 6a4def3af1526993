"""A statistic that opens alone, from a table that stays hidden: ``reveal="statistic"``.

Layer:       analytics.statistics above base; below the statistics that have the option.
Terms:       a *hidden ratio* is the statistic, or its square, as numerator and denominator on shares.
Guarantees:  what opens is one integer, the statistic rounded on shares to three significant digits and to the finest unit
             of its rule, and one bit: whether every guarded count reached the threshold and the denominator is above 0. No
             party learns which of these failed. A table of up to 20 cells is guarded cell by cell, zero among them; of a
             larger one the groups' units and events are, as the statistic names them.
Visible to:  the analyst: the rounded statistic and the bit. All that an answer says besides follows from these two and
             from public numbers.
See instead: the rounding itself (``smpc.operations.numeric.significant``), the ratios (hidden_ratios).
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Parameter
from analytics.statistics.base import MINIMUM_CELL, Answer
from smpc.operations.arithmetic import concatenate, multiply
from smpc.operations.numeric.normalized import Normalized, is_positive
from smpc.operations.numeric.significant import Rounding, round_ratio
from smpc.operations.selection import all_at_least

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode, Step
    from smpc.session import Session
    from smpc.sharing import Shared

SMALL_TABLE: Final = 20  # cells up to which every cell is guarded
DIGITS: Final = 3
STATISTIC: Final = "statistic"
TABLE: Final = "table"
REVEAL: Final = Parameter(
    name="reveal",
    meaning="table, or exact also statistic: it opens alone, rounded on shares to three digits",
    default=TABLE,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenRatio:
    """A statistic on shares.

    Attributes:
        numerator: one number.
        denominator: one number.
        sign: of the statistic, -1, 0 or 1, shape ``(1,)``; None where it is never negative.
    """

    numerator: Normalized
    denominator: Normalized
    sign: Shared | None = None


@dataclass(frozen=True, kw_only=True)
class RevealedAnswer(Answer):
    """The answer of a statistic that opened alone.

    Attributes:
        quantity: what it is.
        statistic: rounded to three digits; None where it is closed.
        pvalue: from the rounded statistic; None where it would need what stays hidden.
        df: the degrees of freedom of the p-value; None where it has none.
    """

    quantity: str
    statistic: float | None
    pvalue: float | None = None
    df: float | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        figures = {"statistic": [self.statistic], "df": [self.df], "pvalue": [self.pvalue]}
        frame = pd.DataFrame(figures, dtype="Float64")
        frame.insert(0, "quantity", [self.quantity])
        return frame

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "quantity": self.quantity,
            "statistic": self.statistic,
            "df": self.df,
            "pvalue": self.pvalue,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """How a statistic is opened alone.

    Attributes:
        quantity: what the statistic is.
        rule: of the rounding.
        limits: of the guard.
        guards: from the figures of all sites to the counts that have to reach a threshold.
        ratio: from the same figures to the statistic.
        least: a threshold for each guarded count; empty: the limits' own for all.
    """

    quantity: str
    rule: Rounding
    limits: Limits
    guards: Callable[[Shared], Shared]
    ratio: Callable[[Session, Shared], HiddenRatio]
    least: tuple[int, ...] = ()

    def step(self, step: Step) -> Step:
        """The same contribution of every site, of which the statistic opens alone."""
        name = f"statistic of a hidden table, rounded to {self.rule.digits} digits"
        return replace(step, name=name, joint=self._joint, n_values=1, n_flags=1, has_products=True)

    def answer(
        self, opened: Ints, tail: Callable[[float], float] | None = None, df: float | None = None
    ) -> RevealedAnswer:
        """The answer from what opened, with a p-value where its tail is given."""
        statistic = value_of(opened, self.rule)
        return RevealedAnswer(
            quantity=self.quantity,
            statistic=statistic,
            pvalue=None if statistic is None or tail is None else tail(statistic),
            df=df,
            closed=MINIMUM_CELL if statistic is None else "",
        )

    def describe(self) -> dict[str, object]:
        """What the digest of a plan must fix."""
        return {"reveal": STATISTIC, "digits": self.rule.digits, "places": self.rule.places}

    def _joint(self, session: Session, figures: Shared) -> Shared:
        guarded = self.guards(figures)
        least = np.array(self.least or [self.limits.threshold] * guarded.size, dtype=np.int64)
        width = max(self.limits.n_sites * self.limits.rows_max, int(least.max())).bit_length() + 1
        reached = all_at_least(session, guarded, least, width)
        ratio = self.ratio(session, figures)
        flag = multiply(session, reached, is_positive(session, ratio.denominator))
        return rounded(session, ratio, flag, self.rule)


def is_hidden(arguments: Arguments, mode: Mode) -> bool:
    """Whether the statistic alone is to be opened.

    Raises:
        InvalidRequestError: no such choice, or a private answer, which has no hidden table.
    """
    asked = arguments.text("reveal")
    if asked not in {TABLE, STATISTIC}:
        raise InvalidRequestError(parameter="reveal", reason="must be table or statistic")
    if asked == STATISTIC and mode != "exact":
        reason = (
            "must be table for a private answer: noise hides the people, and the statistic follows from it"
        )
        raise InvalidRequestError(parameter="reveal", reason=reason)
    return asked == STATISTIC


def rounded(session: Session, ratio: HiddenRatio, flag: Shared, rule: Rounding) -> Shared:
    """Return what opens: the rounded statistic, 0 where it is closed, and the bit that says whether it is open.

    Visible to: no party.

    Args:
        session: of all sites.
        ratio: on shares.
        flag: shares of 1 where the guard is kept and the denominator is above 0, else of 0; shape ``(1,)``.
        rule: of the rounding.

    Returns:
        Shape ``(2,)``.
    """
    value = round_ratio(session, ratio.numerator, ratio.denominator, rule)
    if ratio.sign is not None:
        value = multiply(session, value, ratio.sign)
    return concatenate([multiply(session, value, flag), flag])


def value_of(opened: Ints, rule: Rounding) -> float | None:
    """The statistic that an opening says, by the decimal that was opened; None where it is closed."""
    value, flag = (int(each) for each in opened)
    return float(f"{value}e-{rule.places}") if flag else None
