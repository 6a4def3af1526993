"""Which person a rule over several rows depends on: such a rule must stay within the rows of one privacy unit.

Layer:       analytics.harmonise.unit_keys, above mapping.
Terms:       the *unit columns* of a block are the schema's privacy unit in the main block, and what joins make equal to it in
             other blocks. Where the schema's unit is the row, the mapping's ``person`` stands for it.
Guarantees:  in every block, duplicates and roll-ups go by a unit column. So what one person's rows add to the clean table
             does not depend on another person's rows, and a person who comes or goes moves no other person's row. Where
             the row is the unit, such a rule of the main block goes by the person alone, so that one row of each is left.
See instead: joins, which add columns of rows with the same key: a file that another program has summed over people is
             not seen here. The site's own view is its administrator's SQL; it too must stay within a unit
             (docs/your-own-data.md).
Source:      docs/guarantees.md P6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.harmonise.made import RuleError
from analytics.schema.tables import ROW
from analytics.sources.steps.step import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.harmonise.mapping import Block, MappingFile

_IDENTICAL: Final = "identical"


def check_unit_keys(file: MappingFile, unit: str) -> None:
    """Refuse a rule whose result for one person can depend on another person's rows.

    Args:
        file: the mapping.
        unit: the schema's privacy unit: a column, or ``row``.

    Raises:
        RuleError: names the block, the rule and the unit.
    """
    blocks: dict[str, Block] = {MAIN: file.table, **file.inputs}
    person = file.table.person if unit == ROW else unit
    owned = _unit_columns(blocks, person) if person is not None else {}
    for name, block in blocks.items():
        place = "" if name == MAIN else f"inputs.{name}."
        duplicates, rollup = block.duplicates, block.rollup
        rules = {
            f"{place}duplicates: key": duplicates.key
            if duplicates is not None and duplicates.keep != _IDENTICAL
            else (),
            f"{place}rollup: by": rollup.by if rollup is not None else (),
        }
        for rule, keys in rules.items():
            is_alone = unit == ROW and name == MAIN
            if keys and not (
                owned.get(name, set()) >= set(keys) if is_alone else owned.get(name, set()) & set(keys)
            ):
                raise RuleError(
                    f"{rule} {_wanted(unit, person)}: else one person's rows decide about another's"
                )


def _wanted(unit: str, person: str | None) -> str:
    if unit != ROW:
        return f"must name the privacy unit, {unit}, or a column that a join makes equal to it"
    if person is None:
        return "needs to know whose row it is, since the privacy unit is the row: write person in [table]"
    return f"must be the person, {person}, alone, since the privacy unit is the row; of an input, a column joined to it"


def _unit_columns(blocks: Mapping[str, Block], unit: str) -> dict[str, set[str]]:
    """The unit columns of each block: a join by equal values carries them in both directions."""
    found: dict[str, set[str]] = {name: set() for name in blocks}
    found[MAIN].add(unit)
    grows = True
    while grows:
        grows = False
        for name, block in blocks.items():
            for other, join in block.join.items():
                for mine, theirs in join.on.items():
                    if (mine in found[name]) != (theirs in found[other]):
                        found[name].add(mine)
                        found[other].add(theirs)
                        grows = True
    return found
