"""Lists of codes on the command line: a file, a value set by its name, or the codes themselves.

Layer:       federation.cli.questions.code_lists, below count.
Guarantees:  an entry that names no value of the schema's domain is said, and a list without any is refused.
See instead: what an entry means (``analytics.schema.code_lists``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from analytics.errors import InvalidRequestError
from analytics.schema import CategoricalColumn
from analytics.schema.code_lists import chosen_codes
from federation.cli.outcome import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table

FOLDER: Final = "codes"
ENDINGS: Final = (".txt", ".csv")
SHOWN: Final = 5
_FIELD_END: Final = re.compile(r"[,;\t]")


def code_conditions(texts: Sequence[str], table: Table, folder: Path) -> list[str]:
    """Write each COLUMN=LIST as a condition in SQL, and say what of a list names nothing.

    Args:
        texts: of ``--codes``.
        table: of the schema.
        folder: where the consortium file lies; value sets lie in its folder ``codes``.

    Raises:
        UsageError: a text has another form, there is no such column, its list cannot be read, or names no value.
    """
    found = []
    for text in texts:
        name, is_given, given = text.partition("=")
        column = table.column(name.strip()) if is_given else None
        if not given.strip() or not isinstance(column, CategoricalColumn):
            known = [each.name for each in table.columns.values() if isinstance(each, CategoricalColumn)]
            reason = f"--codes takes COLUMN=LIST; the columns with a domain are {', '.join(known) or 'none'}"
            raise UsageError(reason=reason)
        entries, place = _entries(given.strip(), folder)
        try:
            chosen = chosen_codes(entries, column.domain)
        except InvalidRequestError as error:
            raise UsageError(reason=f"--codes {column.name}: {error}") from None
        if not chosen.values:
            few = ", ".join(map(str, column.domain[:SHOWN]))
            reason = (
                f"--codes {column.name}: {place} names no value of the column's domain, which begins {few}"
            )
            raise UsageError(reason=printable(reason))
        if chosen.unmatched:
            some = ", ".join(chosen.unmatched[:SHOWN])
            more = f" and {len(chosen.unmatched) - SHOWN} more" if len(chosen.unmatched) > SHOWN else ""
            said = f"--codes {column.name}: {len(chosen.unmatched)} of {len(entries)} entries name no value of its domain"
            typer.echo(printable(f"{said}: {some}{more}"), err=True)
        found.append(f"{column.name} IN ({', '.join(map(_literal, chosen.values))})")
    return found


def _literal(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def _entries(given: str, folder: Path) -> tuple[list[str], str]:
    """The entries of a list, and how it is called in a message."""
    sets = [folder / FOLDER / f"{given}{ending}" for ending in ENDINGS]
    for path in (Path(given), *sets):
        if "/" not in given or path == Path(given):
            try:
                if path.is_file():
                    return _lines(path), path.name
            except OSError:
                continue  # a name too long for a file is a list
    return [
        entry for entry in given.split(",") if entry.strip()
    ], "the list, as there is no file of this name,"


def _lines(path: Path) -> list[str]:
    """The first field of each line; a line that begins with # is a remark."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(reason=f"--codes {path}: cannot be read: {reason}") from None
    fields = (_FIELD_END.split(line, maxsplit=1)[0].strip().strip('"') for line in text.splitlines())
    return [field for field in fields if field and not field.startswith("#")]
