"""Draw the pictures of docs/threat-model.md: ``make threat-pictures``. The same bytes at every run.

The accountant computes what collusion leaves of one Gaussian question; all else is as SECURITY.md says.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tools.reference_parts import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = ROOT / "docs" / "pictures"
INK, PAPER, GOOD, WARN = "#24292f", "#ffffff", "#1a7f64", "#c4622d"
PARTIES = ("own site", "another site", "dealer", "analyst", "auditor")
SEEN = {
    "rows of a site": ("yes", "no", "no", "no", "no"),
    "secret shares": ("yes", "its part", "no", "no", "no"),
    "text of a question": ("yes", "yes", "no", "own", "yes"),
    "answer": ("no", "no", "no", "yes", "no"),
    "ledger (prices, names)": ("yes", "yes", "no", "own", "yes"),
}
SITES = 4
COLLUDERS = {
    "private counts, sums, means:\nall other sites": SITES - 1,
    "comparisons with a dealer:\nthe dealer and one site": 2,
    "comparisons without one:\ntwo of the three computing sites": 2,
}
DELTA, ASKED = Fraction("0.0000004"), 0.5
STEPS = (
    "plan\nderived again\nat every site",
    "policy and\nbudget checked\nat every site",
    "charge signed\nby all sites,\nstored",
    "rows summed,\nnoise added,\nshared",
    "shares of the\nanswer to the\nanalyst alone",
)


def figure(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure and its axes, without a backend that needs a display."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "crossward", "font.family": "sans-serif", "font.size": 10}
    )
    drawn = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    return drawn, drawn.subplots()


def keep(drawn: Any, name: str) -> None:
    """Write one picture, without a date."""
    drawn.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    text = (FOLDER / f"{name}.svg").read_text("utf-8")
    (FOLDER / f"{name}.svg").write_text(
        "\n".join(line.rstrip() for line in text.splitlines()) + "\n", "utf-8"
    )


def who_sees_what() -> None:
    """Draw the table of parties and what they see."""
    drawn, axes = figure(8, 2.8)
    axes.axis("off")
    table = axes.table(
        cellText=list(SEEN.values()), rowLabels=list(SEEN), colLabels=PARTIES, loc="center", cellLoc="center"
    )
    table.scale(1, 1.7)
    for (row, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d0d7de")
        if row > 0 and column >= 0:
            no = cell.get_text().get_text() == "no"
            cell.set_facecolor("#dff3ec" if no else "#fde8d8")
    keep(drawn, "who-sees-what")


def bars(name: str, labels: Sequence[str], values: Sequence[float], said: str, texts: Sequence[str]) -> None:
    """Draw horizontal bars, the first on top."""
    drawn, axes = figure(8, 0.8 + 0.6 * len(labels))
    shown = axes.barh(
        range(len(labels)), values, color=[GOOD if i == 0 else WARN for i in range(len(labels))]
    )
    axes.bar_label(shown, labels=texts, padding=4)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.2)
    axes.set_xlabel(said)
    axes.spines[["top", "right"]].set_visible(False)
    keep(drawn, name)


def epsilons_left() -> list[float]:
    """Return epsilon of one count, asked at 0.5 with one colluding site of four, where one, two and three sites collude."""
    from privacy_accounting.events import DistributedDiscreteGaussian, Relation
    from privacy_accounting.rdp.composition import epsilon

    def at(sigma2: Fraction, colluding: int) -> float:
        event = DistributedDiscreteGaussian(
            parties=SITES, colluding=colluding, sigma2_local=sigma2, l1=Fraction(1), l2=Fraction(1), dim=1
        )
        return epsilon([event], DELTA, Relation.ADD_OR_REMOVE_ONE).epsilon

    sigma2 = next(Fraction(n) for n in range(1, 1000) if at(Fraction(n), 1) <= ASKED)
    return [at(sigma2, colluding) for colluding in range(1, SITES)]


def path() -> None:
    """Draw the five steps of a question."""
    drawn, axes = figure(9, 2.1)
    axes.axis("off")
    axes.set_xlim(0, len(STEPS))
    axes.set_ylim(0, 1)
    for place, said in enumerate(STEPS):
        after = place >= 3  # noqa: PLR2004 - the charge is the third step
        axes.text(
            place + 0.5,
            0.62,
            said,
            ha="center",
            va="center",
            color=INK,
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": "#fde8d8" if after else "#dff3ec",
                "edgecolor": INK,
            },
        )
        if place:
            axes.annotate(
                "", (place + 0.13, 0.62), (place - 0.13, 0.62), arrowprops={"arrowstyle": "->", "color": INK}
            )
    axes.text(1.5, 0.1, "no byte depends on a row; a refusal costs nothing", ha="center", color=GOOD)
    axes.text(4, 0.1, "charged, whatever happens", ha="center", color=WARN)
    keep(drawn, "path-of-a-question")


def main() -> int:
    """Draw all."""
    who_sees_what()
    bars(
        "who-must-collude",
        list(COLLUDERS),
        list(COLLUDERS.values()),
        f"parties that must pool what they know, of {SITES} sites",
        [str(number) for number in COLLUDERS.values()],
    )
    left = epsilons_left()
    bars(
        "noise-under-collusion",
        ["1 site, as agreed", "2 sites", "3 sites"],
        left,
        "epsilon of one count asked at 0.5, if so many of four sites collude",
        [f"{value:.2f}" for value in left],
    )
    path()
    return 0


if __name__ == "__main__":
    sys.exit(main())
