"""Accuracy and price of a quote in words.

Layer:       federation.display.accuracy. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def accuracy_text(accuracy: Mapping[str, float | None]) -> str:
    """Return the distance that each figure keeps; a question mark where nothing is promised."""
    return ", ".join(f"{name} ± {'?' if value is None else f'{value:g}'}" for name, value in accuracy.items())


def percent(confidence: object) -> str:
    """Return a confidence in percent."""
    return f"{100 * float(str(confidence)):.10g} %"


def share_of(cost: object, row: Mapping[str, Any]) -> str:
    """Return a Rényi cost as a share of what may be spent in all, by the row of a quote."""
    whole = float(str(row["spent"])) + float(str(row["remaining"]))
    return f"{100 * float(str(cost)) / whole:.3g} %" if whole else ""


def price_line(row: Mapping[str, Any]) -> str:
    """Return epsilon and charge of a question by accuracy, before it is paid for."""
    return (
        f"{accuracy_text(row['accuracy'])} at {percent(row['confidence'])} takes epsilon {row['asked_epsilon']} at delta "
        f"{float(str(row['delta'])):g}, {share_of(row['cost'], row)} of what the {row['sub_budget']} budget may spend"
    )
