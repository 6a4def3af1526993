"""One cell of ``%%crossward``: its options, the session that it asks, and what it gives.

Layer:       federation.notebook.cell. Imports no IPython.
Guarantees:  a cell says its price or that it is exact, as everywhere; one that says neither spends nothing and shows prices.
             An error is one sentence with what was spent.
See instead: the same question in Python (``Session.sql``), at a terminal (``crossward query``).
"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any, Never

from analytics.errors import InvalidRequestError
from federation.client.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PURPOSE = "analysis"


class _Options(argparse.ArgumentParser):
    """Raises one of our errors in place of leaving the process."""

    def error(self, message: str) -> Never:
        raise InvalidRequestError(parameter="%%crossward", reason=f"{message}. {self.format_usage().strip()}")


def options() -> argparse.ArgumentParser:
    """Return the options of a cell."""
    found = _Options(prog="%%crossward", description="Ask the SQL of this cell of all sites.", add_help=False)
    found.add_argument("--epsilon", help="private: what the answer may cost")
    found.add_argument("--within", help="private: noise moves no figure by more than this")
    found.add_argument(
        "--exact", action="store_true", help="no noise; only where every site's policy permits it"
    )
    found.add_argument("--price", action="store_true", help="show the price first, and ask only if it fits")
    found.add_argument("--explain", action="store_true", help="show the plan and its cost; spend nothing")
    found.add_argument(
        "--fresh", action="store_true", help="pay for a new release of the rows as they are now"
    )
    found.add_argument("--mechanism", help="gaussian, laplace or auto")
    found.add_argument("--purpose", default=PURPOSE, help="as entered in the ledger")
    found.add_argument("--out", help="a Python name for the answer")
    found.add_argument("--session", help="the Python name of the session; default: session, or the only one")
    return found


def run_cell(line: str, sql: str, names: Mapping[str, Any], show: Callable[[Any], None]) -> tuple[str, Any]:
    """Run one cell.

    Args:
        line: the options.
        sql: one SELECT.
        names: of the notebook.
        show: shows a price before the answer is asked for.

    Returns:
        The name of ``--out``, empty without one, and the answer, plan or price list.

    Raises:
        InvalidRequestError: wrong options, no session, or an empty cell.
        BudgetExceededError and others: as ``Session.sql``.
    """
    try:
        given = options().parse_args(shlex.split(line))
    except ValueError as error:
        raise InvalidRequestError(parameter="%%crossward", reason=str(error).lower()) from error
    if given.out is not None and not given.out.isidentifier():
        raise InvalidRequestError(parameter="--out", reason="must be a Python name")
    if not sql.strip():
        raise InvalidRequestError(parameter="%%crossward", reason="needs one SELECT in the lines below it")
    session = _session(given.session, names)
    return given.out or "", _answer(session, sql, given, show)


def _answer(session: Session, sql: str, given: argparse.Namespace, show: Callable[[Any], None]) -> Any:
    price: dict[str, Any] = {
        name: value
        for name, value in (
            ("epsilon", _decimal("epsilon", given.epsilon)),
            ("within", _decimal("within", given.within)),
        )
        if value is not None
    }
    terms: dict[str, Any] = {"purpose": given.purpose, "mechanism": given.mechanism}
    if len(price) + given.exact > 1:
        raise InvalidRequestError(
            parameter="%%crossward", reason="takes one of --epsilon, --within and --exact"
        )
    if not price and not given.exact:
        return _without_price(session, sql, given, terms)
    if given.explain:
        return session.explain(sql, exact=given.exact, **price, **terms)
    if given.price and given.exact:
        raise InvalidRequestError(
            parameter="--price",
            reason="has no meaning beside --exact: exact answers have no epsilon; see --explain",
        )
    if given.price:
        quoted = session.quote(sql, **price, **terms)
        show(quoted)
        if not all(row["fits"] for row in quoted):
            return None
    return session.sql(sql, exact=given.exact, fresh=given.fresh, **price, **terms)


def _without_price(session: Session, sql: str, given: argparse.Namespace, terms: dict[str, Any]) -> Any:
    """Show the plan or the accuracy at several prices; nothing is spent."""
    from federation.client.questions.price_list import PRICES, at_several_prices

    if given.explain:
        return at_several_prices(lambda epsilon: session.explain(sql, epsilon=epsilon, **terms))
    return session.quote(sql, epsilon=list(PRICES), **terms)


def _decimal(name: str, text: str | None) -> Any:
    from privacy_accounting.decimals import parse_decimal

    return None if text is None else parse_decimal(text, what=name)


def _session(name: str | None, names: Mapping[str, Any]) -> Session:
    """Return the session that is meant.

    Raises:
        InvalidRequestError: there is none, or several and none is named.
    """
    if name is not None:
        found = names.get(name)
        if isinstance(found, Session):
            return found
        raise InvalidRequestError(parameter="--session", reason=f"{name} is no session of this notebook")
    if isinstance(names.get("session"), Session):
        return names["session"]  # type: ignore[no-any-return]  # just checked
    there = {
        key: each for key, each in names.items() if isinstance(each, Session) and not key.startswith("_")
    }
    if len({id(each) for each in there.values()}) == 1:
        return next(iter(there.values()))
    reason = (
        f"say which session: --session with one of {', '.join(sorted(there))}"
        if there
        else "finds no session: open one in a cell above, session = crossward.connect(...)"
    )
    raise InvalidRequestError(parameter="%%crossward", reason=reason)
