"""Code maps and hierarchies: CSV files that a site's administrator gives, checked whole.

Layer:       analytics.harmonise.code_files, above mapping.
Guarantees:  a code has one target: a map with two targets for a code is refused with the lines of both. The *code* form
             of a text is the same here and in the database: ASCII letters and digits alone, in upper case.
Source:      ours; RFC 4180. The hierarchy that comes with the package: ICD-10-CM, April 2026 (CDC/NCHS, public domain).
"""

from __future__ import annotations

import csv
import io
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from analytics.harmonise.mapping import CodeMap

LEVELS: Final = ("category", "block", "chapter")
CATEGORY_LENGTH: Final = 3
_NO_CODE: Final = re.compile(r"[^0-9A-Za-z]")
_MOST_PAIRS: Final = 500_000
Pairs = tuple[tuple[str, str], ...]


def code_form(text: str) -> str:
    """The code without dots and blanks, in upper case."""
    return _NO_CODE.sub("", text).upper()


def code_form_sql(text: str) -> str:
    """SQL of ``code_form``."""
    return f"upper(regexp_replace({text}, '[^0-9A-Za-z]', '', 'g'))"


def read_map(rule: CodeMap, content: bytes | None, name: str, mistakes: list[str]) -> Pairs:
    """The pairs of a code map.

    Args:
        rule: how it is written.
        content: the file's bytes; None where the pairs stand in the mapping.
        name: the file's, for messages.
        mistakes: gets what is wrong, in sentences.

    Returns:
        Source and target, each source once.
    """
    if content is None:
        lines: Iterable[tuple[int, str, str]] = (
            (place, source, target) for place, (source, target) in enumerate((rule.pairs or {}).items(), 1)
        )
    else:
        rows = read_csv(content, rule.delimiter, name, (rule.source, rule.target), mistakes)
        lines = ((line, row[0], row[1]) for line, row in rows)
    form: Callable[[str], str] = code_form if rule.form == "code" else str.strip
    found: dict[str, tuple[int, str]] = {}
    for line, source, target in lines:
        key, meaning = form(source), target.strip()
        if not key or not meaning:
            mistakes.append(f"{name}, line {line}: a code or its target is empty")
            continue
        before = found.setdefault(key, (line, meaning))
        if before[1] != meaning:
            mistakes.append(
                f"{name}, lines {before[0]} and {line}: the code {source.strip()} has two targets; choose one, by hand"
            )
    return tuple((key, target) for key, (_, target) in found.items())


def read_hierarchy(
    content: bytes | None, delimiter: str, name: str, mistakes: list[str]
) -> Mapping[str, Pairs]:
    """The block and the chapter of each category.

    Args:
        content: the file's bytes; None for the one that comes with the package.
        delimiter: between its fields.
        name: the file's, for messages.
        mistakes: gets what is wrong, in sentences.

    Returns:
        By level, pairs of a category and what it belongs to.
    """
    if content is None:
        content = resources.files("analytics.harmonise").joinpath("data/icd10cm_categories.csv").read_bytes()
    found: dict[str, dict[str, str]] = {level: {} for level in LEVELS}
    for line, (code, block, chapter) in read_csv(
        content, delimiter, name, ("code", "block", "chapter"), mistakes
    ):
        category = code_form(code)
        if len(category) != CATEGORY_LENGTH:
            mistakes.append(f"{name}, line {line}: a category has {CATEGORY_LENGTH} characters")
        elif (
            found["block"].get(category, block.strip()) != block.strip()
            or found["chapter"].get(category, chapter.strip()) != chapter.strip()
        ):
            mistakes.append(
                f"{name}, line {line}: the category {category} comes twice, with another block or chapter"
            )
        else:
            found["category"][category] = category
            found["block"][category], found["chapter"][category] = block.strip(), chapter.strip()
    return {level: tuple(pairs.items()) for level, pairs in found.items()}


def read_csv(
    content: bytes, delimiter: str, name: str, columns: tuple[str, ...], mistakes: list[str]
) -> list[tuple[int, tuple[str, ...]]]:
    """Some columns of a small CSV file, with each row's line."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=delimiter, strict=True)
        header = [each.strip() for each in next(reader, [])]
        lacking = [column for column in columns if header.count(column) != 1]
        if lacking:
            mistakes.append(f"{name}: the header row needs {', '.join(lacking)}, once each")
            return []
        places = [header.index(column) for column in columns]
        found = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                mistakes.append(
                    f"{name}, line {reader.line_num}: {len(row)} fields, the header has {len(header)}"
                )
                continue
            found.append((reader.line_num, tuple(row[place] for place in places)))
    except UnicodeDecodeError:
        mistakes.append(f"{name}: it is not UTF-8")
        return []
    except csv.Error as error:
        mistakes.append(f"{name}: it is not CSV: {error}")
        return []
    if len(found) > _MOST_PAIRS:
        mistakes.append(f"{name}: more than {_MOST_PAIRS} rows")
        return []
    return found
