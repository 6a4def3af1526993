"""A column of few different whole numbers: are they codes, or does it measure something?

Layer:       federation.setup.few_numbers, the lowest.
Guarantees:  the column's name and at most ten values decide; the reason that is given holds none of the values.
Source:      ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CODES_ADVICE: Final = "few whole numbers, taken for codes; if they measure something: numeric"
_MEASURED: Final = frozenset(
    {"age", "bmi", "count", "counts", "dose", "duration", "height", "pressure", "rate", "temperature"}
    | {"visits", "volume", "weight", "alter", "gewicht", "groesse"}
)
_UNITS: Final = frozenset(
    {"bpm", "cm", "days", "dl", "hours", "iu", "kg", "kpa", "mcg", "mg", "minutes", "ml", "mm", "mmhg"}
    | {"mmol", "months", "ng", "nmol", "percent", "pg", "pmol", "ug", "umol", "weeks", "years"}
)
_STEP: Final = 5
_FEWEST: Final = 4
_WORD: Final = re.compile(r"[a-z]+|%")


def number_evidence(name: str, values: Sequence[int]) -> str:
    """What says that a column of few whole numbers measures something.

    Args:
        name: the column's, in the file.
        values: the different ones.

    Returns:
        "its name", "the unit in its name" or "its values' equal steps"; empty where nothing does.
    """
    words = set(_WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    if words & _UNITS or "%" in words:
        return "the unit in its name"
    if words & _MEASURED:
        return "its name"
    # rounded readings, such as 110, 120, 130, 140: codes begin at 0 or 1 and leave no such gaps
    is_rounded = len(values) >= _FEWEST and all(abs(value) > _STEP and value % _STEP == 0 for value in values)
    return "its values' equal steps" if is_rounded else ""
