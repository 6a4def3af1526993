r"""What cleaning says in each server's own words.

Layer:       analytics.sources.pushed, the lowest of the package.
Guarantees:  the same steps for the same cell in every server: round to the nearest integer and a tie to the even one, know
             what is not finite, compare texts by their bytes, refuse an identifier that is not its own normal form.
Source:      ours. Measured with PostgreSQL 15, Spark 4.3 and DuckDB 2.0.1: PostgreSQL and DuckDB round a double that is cast
             to an integer, a tie to the even one, Spark cuts it off and has ``rint``; NaN equals itself in both servers and
             is above all numbers; ``$`` stands before a last line end too in Spark's regular expressions, ``\z`` does not;
             a backslash in a literal of Spark's begins an escape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.sources.cells import text_literal

if TYPE_CHECKING:
    from collections.abc import Callable

_PRINTABLE: Final = "[!-~]([ -~]*[!-~])?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWords:
    """One server's words.

    Attributes:
        double: its type of 64-bit floating-point numbers.
        text: its type of texts.
        by_bytes: what stands after a text that is compared by its bytes.
        literal: a text as a literal.
        rounded: a double as the nearest whole one.
        not_finite: whether a double is NaN or an infinity.
        unprintable: whether a text, known, is anything but printable ASCII without blanks at its ends.
        folded: an identifier without what often differs between two ways to write it.
        fence: what stands after a view so that nothing is computed before it; empty where statements see stored cells alone.
    """

    double: str
    text: str
    by_bytes: str
    literal: Callable[[str], str]
    rounded: Callable[[str], str]
    not_finite: Callable[[str], str]
    unprintable: Callable[[str], str]
    folded: Callable[[str], str]
    fence: str = ""


def spark_literal(text: str) -> str:
    """A text as a literal of Spark's: a backslash begins an escape there.

    Args:
        text: any.
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _spark_not_finite(number: str) -> str:
    ends = "CAST('Infinity' AS DOUBLE), CAST('-Infinity' AS DOUBLE)"
    return f"(isnan({number}) OR {number} IN ({ends}))"


POSTGRESQL_WORDS: Final = ServerWords(
    double="DOUBLE PRECISION",
    text="TEXT",
    by_bytes='COLLATE "C"',
    literal=text_literal,
    rounded=lambda number: number,
    not_finite=lambda number: f"{number} IN ('NaN', 'Infinity', '-Infinity')",
    unprintable=lambda text: f"{text} !~ {text_literal(f'^{_PRINTABLE}$')}",
    folded=lambda unit: rf"ltrim(regexp_replace(replace(lower({unit}), ' ', ''), '\.0+$', ''), '0')",
    fence=" OFFSET 0",
)
SPARK_WORDS: Final = ServerWords(
    double="DOUBLE",
    text="STRING",
    by_bytes="COLLATE UTF8_BINARY",
    literal=spark_literal,
    rounded=lambda number: f"rint({number})",
    not_finite=_spark_not_finite,
    unprintable=lambda text: rf"NOT ({text} RLIKE '\\A{_PRINTABLE}\\z')",
    folded=lambda unit: (
        rf"trim(LEADING '0' FROM regexp_replace(replace(lower({unit}), ' ', ''), '\\.0+\\z', ''))"
    ),
)
