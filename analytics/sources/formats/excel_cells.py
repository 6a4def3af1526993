"""Cells of a workbook that have no value: errors, and formulas that were stored without a result.

Layer:       analytics.sources.formats beside base.
Guarantees:  the sheet's part is read as a stream; nothing in it is followed outside of the workbook. A message names a
             cell, never what it holds.
See instead: all other cells (``excel_file``).
Source:      ours; ECMA-376, part 1, 18.2.19 (sheets), 18.3.1.4 (cells).
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from typing import IO, TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_LETTERS: Final = 26


class CellFault(Exception):  # noqa: N818  what is wrong with a cell, for the format above
    """A cell that refuses the file."""


def cell_name(row: int, column: int) -> str:
    """The name that Excel gives to a cell, such as B7.

    Args:
        row: from 0.
        column: from 0.
    """
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"


def errors_of(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Read the texts of a sheet's errors, by row and column from 0.

    Args:
        path: the workbook.
        sheet: the sheet's name.

    Raises:
        CellFault: a formula was stored without its value, or the sheet's part cannot be read.
    """
    found: dict[tuple[int, int], str] = {}
    try:
        with zipfile.ZipFile(path) as book, book.open(_part_of(book, sheet)) as part:
            for place, cell in _cells(part):
                children = {_local(child.tag): child for child in cell}
                value = children.get("v")
                if cell.get("t") == "e" and value is not None:
                    found[place] = value.text or ""
                elif "f" in children and (value is None or (not value.text and cell.get("t") != "str")):
                    reason = f"cell {cell_name(*place)} holds a formula without its value: open the file in Excel and save it"
                    raise CellFault(reason)
    except (zipfile.BadZipFile, ET.ParseError, KeyError, StopIteration, ValueError):
        raise CellFault("this cannot be read as excel (its parts do not fit together)") from None
    return found


def _cells(part: IO[bytes]) -> Iterator[tuple[tuple[int, int], ET.Element]]:
    """Each cell with its place; a cell without a reference follows the one before it."""
    row, column = -1, -1
    for event, element in ET.iterparse(part, events=("start", "end")):  # noqa: S314  the site's own file
        name = _local(element.tag)
        if event == "start" and name == "row":
            row, column = int(element.get("r") or row + 2) - 1, -1
        elif event == "end" and name == "c":
            match = _REFERENCE.fullmatch(element.get("r") or "")
            column = _column(match[1]) if match else column + 1
            yield (row, column), element
            element.clear()
        elif event == "end" and name == "row":
            element.clear()


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def _part_of(book: zipfile.ZipFile, sheet: str) -> str:
    """The name of a sheet's part in the archive."""
    root = _target(book, "_rels/.rels", lambda each: (each.get("Type") or "").endswith("/officeDocument"))
    workbook = ET.fromstring(book.read(root))  # noqa: S314
    named = next(
        each for each in workbook.iter() if _local(each.tag) == "sheet" and each.get("name") == sheet
    )
    wanted = next(value for key, value in named.attrib.items() if _local(key) == "id")
    folder, _, name = root.rpartition("/")
    target = _target(book, f"{folder}/_rels/{name}.rels".lstrip("/"), lambda each: each.get("Id") == wanted)
    return (
        target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
    )


def _target(book: zipfile.ZipFile, part: str, is_wanted: Callable[[ET.Element], bool]) -> str:
    relations = ET.fromstring(book.read(part))  # noqa: S314
    return next(each.get("Target") or "" for each in relations if is_wanted(each)).removeprefix("./")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
