"""The levels that a mapping can give a column, told from the mapping alone.

Layer:       analytics.harmonise.levels, above mapping and code_files. Pure.
Guarantees:  a column is named only where its words or codes decide every value of it; no row is looked at.
See instead: what becomes of a cell (``columns``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.harmonise.compiling import codes_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.harmonise.code_files import Pairs
    from analytics.harmonise.mapping import MappingFile


def levels_of(file: MappingFile, codes: Mapping[str, Pairs]) -> dict[str, frozenset[str]]:
    """Say which texts each column of the harmonised table can hold.

    Args:
        file: the mapping.
        codes: pairs of source and target, by the name of the table that holds them.

    Returns:
        By column; a column that takes over words of the file as they stand is left out.
    """
    if file.table.rollup is not None:
        return {}
    found: dict[str, frozenset[str]] = {}
    for name, rule in file.table.columns.items():
        if rule.type != "text" or rule.unmapped == "keep" or rule.level is not None:
            continue
        if rule.words is not None:
            texts = {meaning.strip() for meaning in rule.words.values()}
        elif rule.codes is not None:
            texts = {target for _, target in codes[codes_table(rule.codes)]}
        else:
            continue
        filled = file.table.missing.get(name)
        if filled is not None and filled.value is not None:
            texts.add(str(filled.value))
        found[name] = frozenset(texts)
    return found
