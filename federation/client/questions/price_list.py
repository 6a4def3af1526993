"""One question explained at several prices, for an analyst who has not chosen an epsilon yet.

Layer:       federation.client.questions.price_list, above requests.explanation. Asks no site; nothing is spent.
Guarantees:  every line comes from the plan at that epsilon, not from scaling another one.
See instead: what a price leaves of the budget (``Session.quote``, which asks the sequencer).
Source:      ours; exp(epsilon) bounds the change of odds: Dwork and Roth (2014), section 2.3.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from analytics.text_tables import as_text
from federation.requests.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRICES: Final = tuple(Fraction(text) for text in ("0.1", "0.25", "0.5", "1", "2"))
SHOWN: Final = Fraction("0.5")
"""Whose plan is shown whole; the plans differ in noise and clamps alone."""


def at_several_prices(explain: Callable[[Fraction], Explanation]) -> Explanation:
    """Explain a question at each of ``PRICES``.

    Args:
        explain: plans the question at one epsilon.

    Returns:
        The plan at ``SHOWN``; its ``to_dict`` holds ``prices`` too, one entry an epsilon: the factor ``odds`` by which
        an answer changes the odds of a guess about one person at most, and ``noise``, the standard deviation by column.

    Raises:
        PlanRejectedError, InvalidRequestError: as ``explain`` raises them; the question cannot be private.
    """
    plans = {epsilon: explain(epsilon) for epsilon in PRICES}
    noise = {f"{float(epsilon):g}": _noise(plan.shape) for epsilon, plan in plans.items()}
    odds = {text: math.exp(float(text)) for text in noise}
    prices = [{"epsilon": text, "odds": odds[text], "noise": found} for text, found in noise.items()]
    names = ["epsilon", "odds at most times", *next(iter(noise.values()))]
    rows = [
        [text, f"{odds[text]:.2g}", *(f"{sd:.4g}" for sd in found.values())] for text, found in noise.items()
    ]
    lines = [
        plans[SHOWN].text,
        "",
        f"no epsilon was given: the plan above is the one at epsilon {float(SHOWN):g}. Standard deviation of the noise",
        "at other prices, for each column, or for what a ratio is made from:",
        *(f"    {line}" for line in as_text(names, rows).splitlines()),
        "crossward quote says what each price leaves of the budget",
    ]
    return Explanation(text="\n".join(lines), shape={**plans[SHOWN].shape, "prices": prices})


def _noise(shape: Mapping[str, Any]) -> dict[str, float]:
    """Standard deviations by column and part; of a statistic, the least and the most among its integers."""
    if "noise" in shape:
        return {
            name if part == "itself" else f"{name} {part}": deviation
            for name, parts in shape["noise"].items()
            for part, deviation in parts.items()
        }
    deviations = shape["noise_sd"]
    return {"least": min(deviations), "most": max(deviations)} if deviations else {}
