"""Which values of a public domain a list of codes names: exact codes, all below a code, ranges of categories.

Layer:       analytics.schema.code_lists, beside columns. Pure.
Terms:       the *form* of a code is its letters and digits in upper case, so that ``I50.0`` and ``i500`` are one. An entry is a
             code; a code and all below it, written ``I50*``, ``I50%`` or ``I50.-``; or the categories from one to another
             with all below them, ``I20-I25``.
Guarantees:  only values of the domain are chosen, and what names none is said. A value that is written exactly as the entry
             comes before any other reading of it; an entry that could mean two different codes is refused.
See instead: code maps of a site (``analytics.harmonise.code_files``).
Source:      ours; the dash forms are those of ICD-10's own books.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NO_CODE: Final = re.compile(r"[^0-9A-Za-z]")
_BELOW: Final = re.compile(r"(.*?)(?:\.-|[*%-])", re.DOTALL)
_RANGE: Final = re.compile(r"([A-Za-z][0-9][0-9A-Za-z.]*)\s*[-\u2013]\s*([A-Za-z][0-9][0-9A-Za-z.]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenCodes:
    """What a list names.

    Attributes:
        values: of the domain, in its order, each once.
        unmatched: entries that name no value of the domain.
    """

    values: tuple[str | int, ...]
    unmatched: tuple[str, ...]


def chosen_codes(entries: Sequence[str], domain: Sequence[str | int]) -> ChosenCodes:
    """Choose the values that a list names.

    Args:
        entries: as people write them.
        domain: of the column.

    Raises:
        InvalidRequestError: an entry could mean two different codes.
    """
    forms = {value: _form(str(value)) for value in domain}
    chosen: set[str | int] = set()
    unmatched: list[str] = []
    for entry in dict.fromkeys(text.strip() for text in entries):
        named = _named(entry, forms)
        chosen |= named
        if entry and not named:
            unmatched.append(entry)
    return ChosenCodes(values=tuple(value for value in domain if value in chosen), unmatched=tuple(unmatched))


def _form(text: str) -> str:
    return _NO_CODE.sub("", text).upper()


def _named(entry: str, forms: Mapping[str | int, str]) -> set[str | int]:
    exact = {value for value in forms if str(value) == entry}
    if exact:
        return exact
    if below := _BELOW.fullmatch(entry):
        prefix = _form(below[1])
        return {value for value, form in forms.items() if prefix and form.startswith(prefix)}
    if ends := _RANGE.fullmatch(entry):
        first, last = _form(ends[1]), _form(ends[2])
        return {value for value, form in forms.items() if first <= form and form[: len(last)] <= last}
    own = _form(entry)
    alike = {value for value, form in forms.items() if own and form == own}
    if len(alike) > 1:
        listed = ", ".join(sorted(map(str, alike)))
        raise InvalidRequestError(parameter="codes", reason=f"{entry} could be {listed}: write one of them")
    return alike
