"""Why an answer has no value, in words.

Layer:       analytics.statistics below base. Knows no statistic.
Guarantees:  one text for one code, and no more than the code says: it names every cause that shares it.
See instead: who decides that an answer is closed (each statistic's guards), closed cells of SQL (results).
Source:      ours.
"""

from __future__ import annotations

from typing import Final

_TEXTS: Final = {
    "minimum_cell": "a count that it needs is below the guard. Ask of more patients, of fewer groups or of wider bins,"
    " or with epsilon where there is a private form",
    "fit_closed": "there is no fit. One code stands for every cause: a relation among the columns that fails for fewer patients"
    " than the guard, columns that follow from each other, separation, no event, or steps that did not end. Leave a column"
    " out, or ask with epsilon where there is a private form",
    "undefined": "it is not defined for these rows: a column without spread, an empty group, or a fraction of zero",
    "too_few": "the noise leaves nothing to estimate: too few patients for this epsilon",
}


def closed_text(code: str) -> str:
    """Say why an answer is closed.

    Args:
        code: of ``Answer.closed``; one without a text of its own is shown as it is.
    """
    return f"closed ({code}): {_TEXTS[code]}" if code in _TEXTS else f"closed: {code}"
