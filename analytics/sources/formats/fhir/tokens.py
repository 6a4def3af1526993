"""Words and signs of a FHIRPath expression.

Layer:       analytics.sources.formats.fhir.tokens, beside types.
Source:      FHIRPath (Normative Release), "Lexical Elements".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NAME: Final = "name"
STRING: Final = "string"
NUMBER: Final = "number"
TEMPORAL: Final = "temporal"
CONSTANT: Final = "constant"
SIGN: Final = "sign"
END: Final = "end"

_DATE = r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_TOKEN = re.compile(
    rf"""
    (?P<blank>\s+)
  | (?P<temporal>@(?:T{_TIME}|{_DATE})(?![\w:.+-]))
  | (?P<number>(?:0|[1-9]\d*)(?:\.\d+)?(?![\w]))
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<constant>%[A-Za-z][A-Za-z0-9_]*)
  | (?P<name>\$this|[A-Za-z_][A-Za-z0-9_]*|`[A-Za-z_][A-Za-z0-9_]*`)
  | (?P<sign>!=|!~|<=|>=|[.()\[\],=<>|~+*/&{{}}-])
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_PLAIN: Final = "'\"`\\/"


class PathError(ValueError):
    """What is wrong with an expression, and where."""

    def __init__(self, at: int, reason: str) -> None:
        self.at, self.reason = at, reason
        super().__init__(f"at character {at + 1}: {reason}")


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign.

    Attributes:
        kind: what it is.
        text: its meaning: a string without quotes and escapes, a constant without its sign, a date or time as FHIR
            writes it.
        at: its first character, from 0.
        is_quoted: of a name: whether it stands between backticks, and so is no keyword.
    """

    kind: str
    text: str
    at: int
    is_quoted: bool = False


def tokens_of(text: str) -> list[Token]:
    """Split an expression; the last token is its end.

    Raises:
        PathError: a character begins no word.
    """
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PathError(at, f"nothing begins with {text[at]}")
        kind, value = match.lastgroup or "", match.group()
        if kind == STRING:
            value = _unescaped(value[1:-1], at)
        elif kind in {TEMPORAL, CONSTANT}:
            value = value.lstrip("@%").removeprefix("T") if kind == TEMPORAL else value[1:]
        if kind != "blank":
            is_quoted = kind == NAME and value.startswith("`")
            found.append(Token(kind, value.strip("`") if is_quoted else value, at, is_quoted))
        at = match.end()
    return [*found, Token(END, "the end", len(text))]


def _unescaped(text: str, at: int) -> str:
    def replaced(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED and escape not in _PLAIN:
            raise PathError(at, f"\\{escape} is no escape of a text")
        return _ESCAPED.get(escape, escape)

    found = _ESCAPE.sub(replaced, text)
    if "\0" in found or any("\ud800" <= character <= "\udfff" for character in found):
        raise PathError(at, "a text may hold no zero character and no half of a surrogate pair")
    return found
