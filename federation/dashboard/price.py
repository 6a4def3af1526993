"""The price of a question, as a page shows it before anything is asked.

Layer:       federation.dashboard.price, above display.
Guarantees:  every figure is one of the session's quote or explanation; nothing is computed anew but shares of a budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossward.base_error import CrosswardError
from federation.display.accuracy import accuracy_text, percent, share_of
from federation.display.error_text import sentence
from federation.display.terminal import guard_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.client.session import Session
    from federation.requests.explanation import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a question would cost.

    Attributes:
        facts: names and values, the most important first.
        plan: the plan in words.
        epsilon: that would be paid; empty for an exact answer, or where none was said.
        can_run: whether it may be confirmed.
        refusal: why it would be refused; empty where it fits.
        is_exact: whether it is an exact disclosure.
        is_free: whether the analyst's own store answers it.
        several: a row for each of several epsilons.
        alternatives: what other noise would cost.
    """

    facts: tuple[tuple[str, str], ...]
    plan: str
    epsilon: str = ""
    can_run: bool = False
    refusal: str = ""
    is_exact: bool = False
    is_free: bool = False
    several: tuple[Mapping[str, str], ...] = ()
    alternatives: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def action(self) -> str:
        """The words of the button that asks."""
        if self.is_exact:
            return "Run, and use one exact disclosure"
        return "Run, free from my store" if self.is_free else f"Run, and spend epsilon {self.epsilon}"


def price_of_quote(
    rows: Sequence[Mapping[str, Any]], plan: str, *, is_payable: bool = False, is_fresh: bool = False
) -> Price:
    """Return the price of a private question.

    Args:
        rows: of the session's quote; the first is the one that would be paid.
        plan: in words.
        is_payable: whether one price was chosen.
        is_fresh: whether the analyst's own store is left aside.
    """
    row = rows[0]
    if not is_payable:
        return Price(
            facts=(("Budget", f"{row['sub_budget']} budget of {row['population']}"),),
            plan=plan,
            several=tuple(map(_at_one_price, rows)),
        )
    is_free = bool(row["from_store"]) and not is_fresh
    own: Mapping[str, str] = next((each for each in row["alternatives"] if each.get("asked")), {})
    takes = f"{share_of(row['cost'], row)} of what the {row['sub_budget']} budget of {row['population']} may spend"
    price = f"epsilon {row['asked_epsilon']} at delta {float(str(row['delta'])):g}"
    accuracy = ("Accuracy", f"{accuracy_text(row['accuracy'])} at {percent(row['confidence'])}")
    facts = [
        ("Price", price),
        ("Takes", takes),
        ("Leaves", f"{share_of(row['left'], row)}"),
        accuracy,
        ("Such questions that still fit", own.get("such_questions", "")),
        ("An attacker's success", _success(own.get("success", ""))),
    ]
    if is_free:
        said = ("In your store", "your own earlier releases answer it; nothing is spent")
        facts = [said, accuracy, ("A new release would take", f"{price}: {takes}")]
    return Price(
        facts=tuple((name, value) for name, value in facts if value),
        plan=plan,
        epsilon=str(row["asked_epsilon"]),
        can_run=is_free or bool(row["fits"]),
        refusal="" if is_free else str(row["refusal"]),
        is_free=is_free,
        alternatives=tuple(row["alternatives"]),
    )


def price_of_explanation(plan: Explanation, session: Session, *, is_payable: bool = True) -> Price:
    """Return the price of a statistic, of mining or of an exact question, from its plan.

    Args:
        plan: the explanation.
        session: says what is left of the budget.
        is_payable: whether one price was chosen.
    """
    shape = plan.to_dict()
    cost: Mapping[str, Any] = shape.get("cost") or {}
    is_exact = "epsilon" not in cost or cost["epsilon"] is None
    if not is_payable:
        rows = tuple(
            {
                "epsilon": str(each["epsilon"]),
                "noise": ", ".join(f"{name} {sd:.4g}" for name, sd in each["noise"].items()),
                "success": "",
                "takes": "",
                "fits": "",
            }
            for each in shape["prices"]
        )
        return Price(facts=(), plan=plan.text, several=rows)
    own: Mapping[str, str] = next((each for each in shape.get("alternatives", ()) if each.get("asked")), {})
    facts = (
        [("Price", "one exact disclosure, without epsilon"), ("Guard", guard_of(cost) if cost else "")]
        if is_exact
        else [
            ("Price", f"epsilon {cost['epsilon']} at delta {float(str(cost['delta'])):g}"),
            ("Takes", f"{own['share']} of the budget as it was founded" if own.get("share") else ""),
            ("An attacker's success", _success(own.get("success", ""))),
        ]
    )
    facts += _left(cost, session, is_exact=is_exact)
    return Price(
        facts=tuple((name, value) for name, value in facts if value),
        plan=plan.text,
        epsilon="" if is_exact else str(cost["epsilon"]),
        can_run=True,
        is_exact=is_exact,
        alternatives=tuple(shape.get("alternatives", ())),
    )


def _left(cost: Mapping[str, Any], session: Session, *, is_exact: bool) -> list[tuple[str, str]]:
    """What the budget still allows, where a site says so."""
    try:
        rows = session.budget_rows()
    except CrosswardError as error:
        return [("Budget", f"what is left could not be asked: {sentence(error)}")]
    for row in rows:
        if row["purpose"] or row["analyst"] or row["sub_budget"] != "query":
            continue
        if cost.get("population") not in {None, row["population"]}:
            continue
        if is_exact:
            used, limit = row.get("exact_by_asker"), row.get("exact_limit")
            return [("Exact requests used", "" if limit is None else f"{used} of {limit}")]
        return [("Still fits", f"a question of epsilon {row['largest_epsilon_that_fits'] or 'nothing'}")]
    return []


def _at_one_price(row: Mapping[str, Any]) -> dict[str, str]:
    own: Mapping[str, str] = next((each for each in row["alternatives"] if each.get("asked")), {})
    return {
        "epsilon": str(row["asked_epsilon"]),
        "noise": accuracy_text(row["accuracy"]),
        "success": _success(own.get("success", "")),
        "takes": share_of(row["cost"], row),
        "fits": "yes" if row["fits"] else "no",
    }


def _success(text: str) -> str:
    return f"{100 * float(text):.1f} % (a coin: 50 %)" if text else ""
