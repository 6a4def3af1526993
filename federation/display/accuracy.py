"""Accuracy and price of a quote in words, and accuracy over epsilon as a picture.

Layer:       federation.display.accuracy. Pure; matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.errors import InvalidRequestError
from analytics.pictures import Curve, Curves, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes


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


@dataclass(frozen=True, slots=True)
class QuotedAccuracy:
    """The accuracy of quoted questions over epsilon.

    Attributes:
        rows: of a quote with several epsilons.
    """

    rows: Sequence[Mapping[str, Any]]

    def picture(self) -> Curves:
        """One line for each figure of each question, from the smallest epsilon to the largest.

        Raises:
            InvalidRequestError: there is one epsilon alone, or nothing is promised of any figure.
        """
        found: dict[tuple[str, str], dict[float, float]] = {}
        for row in self.rows:
            for name, distance in row["accuracy"].items():
                if distance is not None:
                    places = found.setdefault((" ".join(row["sql"].split()), name), {})
                    places[float(row["asked_epsilon"])] = distance
        if not found:
            reason = "has nothing to show: no figure has a promised accuracy (means need expected_units)"
            raise InvalidRequestError(parameter="plot", reason=reason)
        if all(len(places) == 1 for places in found.values()):
            raise InvalidRequestError(parameter="plot", reason="needs several epsilons for a curve")
        several = len({sql for sql, _ in found}) > 1
        return Curves(
            curves=[
                Curve(
                    label=f"{name}: {sql}" if several else name,
                    x=sorted(places),
                    y=[places[epsilon] for epsilon in sorted(places)],
                )
                for (sql, name), places in found.items()
            ],
            x_name="epsilon",
            y_name=f"noise keeps within, at {percent(self.rows[0]['confidence'])}",
        )

    def plot(self) -> Axes:
        """Draw it in a new figure."""
        return draw(self.picture())
