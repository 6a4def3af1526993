"""The option ``--require``: a question is asked only where released figures show that the data are good enough.

Layer:       federation.cli.questions.gate, above options.
Guarantees:  the requirement is released and judged first; where it is not shown, the question is not asked.
See instead: the decision (``federation.client.questions.gate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli.options import positive_decimal
from federation.cli.outcome import UsageError

if TYPE_CHECKING:
    from fractions import Fraction

    from federation.client.session import Session
    from federation.requests.explanation import Explanation

Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        help='Ask only where the data are good enough: "completeness(ca) >= 0.6" or "validity(age) >= 0.99"; may be given again.',
    ),
]
RequireEpsilon = Annotated[
    str | None,
    typer.Option(
        "--require-epsilon",
        help="What the requirements may cost together, beside the question; with --exact left out.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Requirements and their price.

    Attributes:
        requirements: as they were written.
        epsilon: for all together; None: they are an exact disclosure.
    """

    requirements: list[str]
    epsilon: Fraction | None

    @property
    def _price(self) -> dict[str, Any]:
        return {"exact": True} if self.epsilon is None else {"epsilon": self.epsilon}

    def check(self, session: Session, purpose: str, table: str = "") -> None:
        """Release and judge; say on standard error what was released.

        Args:
            session: of the analyst.
            purpose: written to the ledger.
            table: of the schema; left out, the only one that has all columns.

        Raises:
            RequirementNotMetError: the figures do not show a requirement.
        """
        where = session.table(table or self._table(session))
        where.require(self.requirements, purpose=purpose, **self._price)
        cost = "an exact disclosure" if self.epsilon is None else f"epsilon {float(self.epsilon):g}"
        text = f"{'; '.join(self.requirements)}: met, at 95 % confidence; cost: {cost}, beside what follows"
        typer.echo(f"crossward: {text}", err=True)

    def explained(self, session: Session, purpose: str) -> Explanation:
        """Plan and price of the release that is made first."""
        from analytics.statistics.profiles.requirements import STATISTIC

        return session.explain_statistic(
            STATISTIC, self._columns, table=self._table(session), purpose=purpose, **self._price
        )

    @property
    def _columns(self) -> list[str]:
        from analytics.statistics.profiles.requirements import read_requirements
        from federation.client.questions.gate import columns_of

        return columns_of(read_requirements(self.requirements))

    def _table(self, session: Session) -> str:
        tables = session.consortium.schema.tables
        found = [
            name
            for name, table in tables.items()
            if all(table.column(column) is not None for column in self._columns)
        ]
        if len(found) != 1:
            which = "no table has" if not found else f"{', '.join(found)} have"
            raise UsageError(reason=f"--require: {which} the columns {', '.join(self._columns)}")
        return found[0]


def read_gate(require: list[str] | None, epsilon: str | None, *, exact: bool) -> Gate | None:
    """Read both options; None where there is no requirement.

    Raises:
        UsageError: a price without a requirement, or a requirement without a price.
    """
    if not require:
        if epsilon is not None:
            raise UsageError(reason="--require-epsilon has no meaning without --require")
        return None
    if epsilon is None and not exact:
        reason = "--require needs --require-epsilon E: the figures that decide are a release of their own"
        raise UsageError(reason=reason)
    from analytics.statistics.profiles.requirements import read_requirements

    read_requirements(require)  # before anything is asked
    price = None if epsilon is None else positive_decimal(epsilon, name="require-epsilon")
    return Gate(requirements=list(require), epsilon=price)
