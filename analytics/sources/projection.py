"""The table ``source`` that a site's view selects from: names of its columns, and cells that mean "no value".

Layer:       analytics.sources above spec.
Guarantees:  a column whose name is exactly the wanted one comes before a column whose name differs in upper and lower
             case; where two would answer to a wanted name, the source is refused. A cell is handed on as it stands.
See instead: what a cell means (``cleaning``), the view itself (``views``).
Source:      ours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import cell_text, text_literal
from analytics.sources.spec import DEFAULT_VIEW
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analytics.sources.formats.base import Relation
    from analytics.sources.spec import CellRules

_WORD = re.compile(r"\w+")


def wanted_names(columns: Collection[str], view: str) -> set[str]:
    """Names that the schema's columns or the words of a view ask for.

    Args:
        columns: names of the schema.
        view: the site's view.
    """
    return set(columns) if view == DEFAULT_VIEW else {*columns, *_WORD.findall(view)}


def source_names(names: Sequence[str], wanted: Collection[str], source: str) -> list[str]:
    """The names under which a view finds the columns; they differ in more than upper and lower case.

    Args:
        names: the file's.
        wanted: what is asked for.
        source: the file's name, for messages.

    Returns:
        One a column; of columns with equal names the ones that are not wanted get a number.

    Raises:
        SchemaMismatchError: two columns answer to one wanted name.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        groups[name.lower()].append(place)
    folded = {name.lower() for name in wanted}
    found = list(names)
    taken = set(groups)
    for group, places in groups.items():
        if len(places) == 1:
            continue
        exact = [place for place in places if names[place] in wanted]
        if len(exact) > 1 or (group in folded and not exact):
            first = names[(exact or places)[0]]
            raise SchemaMismatchError(
                source=source, column=first, reason="two columns have this name: rename one"
            )
        kept = (exact or places)[0]
        number = 1
        for place in places:
            if place == kept:
                continue
            while f"{group}_{number}" in taken:
                number += 1
            found[place] = f"{names[place]}_{number}"
            taken.add(f"{group}_{number}")
    return found


def source_query(relation: Relation, names: Sequence[str], rules: CellRules, *, is_empty: bool) -> str:
    """A SELECT that makes the table ``source``.

    Args:
        relation: the open source.
        names: as ``source_names`` gives them.
        rules: how its texts are written.
        is_empty: without rows, for finding out types.
    """
    columns = ", ".join(
        f"{_cell(f'c{place}', kind, rules)} AS {quoted(name)}"
        for place, (name, kind) in enumerate(zip(names, relation.types, strict=True))
    )
    return f"SELECT {columns} FROM {relation.empty if is_empty else relation.sql}"  # noqa: S608  names are quoted


def _cell(raw: str, kind: str, rules: CellRules) -> str:
    """The cell, NULL where it is a word for "missing"."""
    text = cell_text(raw, kind)
    if not rules.missing or not text:
        return raw
    words = ", ".join(map(text_literal, rules.missing))
    return f"CASE WHEN {text} NOT IN ({words}) THEN {raw} END"
