"""A question of a form: priced for nothing first, and then run exactly as it was priced.

Layer:       federation.dashboard.questions, above display.
Guarantees:  price and run take the same arguments and go through the session. Where the least epsilon of an accuracy has
             risen between price and run, nothing is asked and the new price is shown.
See instead: the pages (``federation.dashboard.pages``), the command line (``federation.cli.questions``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Protocol

from analytics.errors import InvalidRequestError
from federation.client.questions.price_list import PRICES, at_several_prices
from federation.dashboard.price import Price, price_of_explanation, price_of_quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.mining.request import MiningRequest
    from federation.client.session import Session

PURPOSE: Final = "analysis"


class Question(Protocol):
    """What a form asks."""

    @property
    def title(self) -> str:
        """The question in one line."""
        ...

    @property
    def back(self) -> str:
        """The page whose form asks it."""
        ...

    def price(self, session: Session) -> Price:
        """Price it; nothing is spent."""
        ...

    def run(self, session: Session, price: Price) -> Any:
        """Ask it, and pay what ``price`` says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuestion:
    """One SELECT.

    Attributes:
        text: as written.
        epsilon: price of a private answer; None where an accuracy is wanted, or no noise.
        within: the accuracy that is wanted.
        confidence: how often at least a figure keeps it.
        expected_units: for means.
        exact: without noise.
        fresh: pay also where the analyst's own store answers.
        mechanism: of the noise; empty: the usual one.
        purpose: as entered in the ledger.
    """

    text: str
    epsilon: Fraction | None = None
    within: Fraction | None = None
    confidence: Fraction | None = None
    expected_units: int | None = None
    exact: bool = False
    fresh: bool = False
    mechanism: str = ""
    purpose: str = PURPOSE

    @property
    def title(self) -> str:
        """The text in one line."""
        return " ".join(self.text.split())

    @property
    def back(self) -> str:
        """The page of SQL."""
        return "/ask"

    def price(self, session: Session) -> Price:
        """Price it; without an epsilon at several."""
        noise: dict[str, Any] = {"purpose": self.purpose, "mechanism": self.mechanism or None}
        if self.exact:
            plan = session.explain(self.text, exact=True, purpose=self.purpose)
            return price_of_explanation(plan, session)
        if self.epsilon is None and self.within is None:
            plan = at_several_prices(lambda epsilon: session.explain(self.text, epsilon=epsilon, **noise))
            rows = session.quote(self.text, epsilon=list(PRICES), **noise)
            return price_of_quote(rows, plan.text)
        goal = self._goal()
        rows = session.quote(self.text, epsilon=self.epsilon, **goal, **noise)
        plan = session.explain(self.text, epsilon=self.epsilon, **goal, **noise)
        return price_of_quote(rows, plan.text, is_payable=True, is_fresh=self.fresh)

    def run(self, session: Session, price: Price) -> Any:
        """Ask it."""
        if self.within is not None:
            now = self.price(session)
            if Fraction(now.epsilon or "0") > Fraction(price.epsilon or "0"):
                reason = f"takes epsilon {now.epsilon} by now; look at the price again. Nothing was spent"
                raise InvalidRequestError(parameter="within", reason=reason)
        return session.sql(
            self.text,
            epsilon=self.epsilon,
            exact=self.exact,
            fresh=self.fresh,
            purpose=self.purpose,
            mechanism=self.mechanism or None,
            **self._goal(),
        )

    def _goal(self) -> dict[str, Any]:
        if self.within is None:
            return {}
        return {
            "within": self.within,
            "confidence": self.confidence,
            "expected_units": self.expected_units,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticQuestion:
    """One statistic of the registry.

    Attributes:
        name: of the statistic.
        table: of the schema.
        arguments: its own.
        epsilon: price of a private answer.
        exact: without noise.
        mechanism: of the noise; empty: the usual one.
        purpose: as entered in the ledger.
    """

    name: str
    table: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    epsilon: Fraction | None = None
    exact: bool = False
    mechanism: str = ""
    purpose: str = PURPOSE

    @property
    def title(self) -> str:
        """The statistic, its table and arguments in one line."""
        given = ", ".join(f"{name} = {_written(value)}" for name, value in self.arguments.items())
        return f"{self.name} of {self.table}" + (f": {given}" if given else "")

    @property
    def back(self) -> str:
        """The page of the statistic."""
        return f"/ask/statistics/{self.name}"

    def price(self, session: Session) -> Price:
        """Price it; without an epsilon at several."""
        if self.epsilon is None and not self.exact:
            plan = at_several_prices(
                lambda epsilon: session.explain_statistic(
                    self.name, table=self.table, **{**self._options(), "epsilon": epsilon}
                )
            )
            return price_of_explanation(plan, session, is_payable=False)
        plan = session.explain_statistic(self.name, table=self.table, **self._options())
        return price_of_explanation(plan, session)

    def run(self, session: Session, price: Price) -> Any:
        """Ask it."""
        del price
        return session.statistic(self.name, table=self.table, **self._options())

    def _options(self) -> dict[str, Any]:
        how: dict[str, Any] = {"exact": True} if self.exact else {"epsilon": self.epsilon}
        return {**how, "purpose": self.purpose, "mechanism": self.mechanism or None, **self.arguments}


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningQuestion:
    """One mining run.

    Attributes:
        request: table, items, thresholds.
        purpose: as entered in the ledger.
    """

    request: MiningRequest
    purpose: str = PURPOSE

    @property
    def title(self) -> str:
        """The items in one line."""
        return f"association rules of {self.request.table}: {', '.join(self.request.items)}"

    @property
    def back(self) -> str:
        """The page of mining."""
        return "/mining"

    def price(self, session: Session) -> Price:
        """Explain it: an exact disclosure."""
        plan = session.explain_mining(self.request, purpose=self.purpose)
        return price_of_explanation(plan, session)

    def run(self, session: Session, price: Price) -> Any:
        """Ask it."""
        del price
        return session.mine(self.request, purpose=self.purpose)


def _written(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
