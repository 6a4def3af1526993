"""One argument of a statistic as a person writes it: a number, a list with commas, or a text.

Layer:       federation.client.questions.written_value. Pure.
See instead: which arguments a statistic has (``analytics.statistics.arguments``).
"""

from __future__ import annotations

import json
from decimal import Decimal


def read_value(text: str) -> object:
    """Read a value.

    Args:
        text: what is JSON (a number, true, false, null, a quoted text, a list) is that; what has a comma is a list, its
            items read in the same way; anything else is a text.

    Returns:
        The value; numbers with a point are decimals.
    """
    if "," in text and not text.startswith(("[", '"')):
        return [read_value(item) for item in text.removesuffix(",").split(",")]
    try:
        value: object = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) else value
