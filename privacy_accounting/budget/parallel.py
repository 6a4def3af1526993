"""Parallel composition: releases over disjoint groups of patients cost what the dearest of them costs.

Floor:    privacy_accounting.budget, beside ``book``. Pure.
Terms:    a *partition* divides patients by one attribute of the person that is fixed at ingest; its *cells*
          are its values; ``cells_per_unit`` is the most cells in which the records of one patient can lie
          (1 only if records are linked or a patient is at one site; else the number of sites).
Promise:  the events returned cost no less than the joint release at every order, at every number of
          colluders, and in pure epsilon. Where no cell is dearest in all of these, or the partition is not
          declared, all cells are paid for.
Not here: declaring partitions (the schema), checking that a cell's release reads only its own cell (the
          plan).
Source:   McSherry, Privacy integrated queries (SIGMOD 2009), Theorem 4, which holds order by order for Rényi
          divergence because the other cells' outputs do not change; PRIVACY P6. Adaptive choices within one
          cell are that cell's own composition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Event, Relation
from privacy_accounting.rdp import own_delta, pure_units, total_curve, with_colluding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A declared division of patients.

    Attributes:
        attribute: of the person, fixed at ingest.
        cells: its values, distinct.
        cells_per_unit: the most cells that one patient's records can lie in, at least 1.
    """

    attribute: str
    cells: tuple[str, ...]
    cells_per_unit: int

    def __post_init__(self) -> None:
        if not self.attribute or not self.cells or len(set(self.cells)) != len(self.cells):
            raise InvalidCostError(what="partition", reason="needs an attribute and distinct cells")
        if type(self.cells_per_unit) is not int or self.cells_per_unit < 1:
            raise InvalidCostError(what="partition.cells_per_unit", reason="must be an integer of at least 1")


def parallel_events(
    partition: Partition, cells: Mapping[str, Sequence[Event]], relation: Relation
) -> tuple[Event, ...]:
    """Give the events to charge for one release in each of several cells.

    Args:
        partition: as declared.
        cells: what is released about each cell.
        relation: which datasets are neighbours. Replacing a patient changes the cell left and the cell
            entered, so that twice as many cells are paid for.

    Returns:
        The dearest cell's events, as many times over as one patient's change can touch cells; all events if
        no cell is dearest in every respect.

    Raises:
        InvalidCostError: a cell is not of the partition, or an event has no price under the relation.
    """
    unknown = sorted(set(cells) - set(partition.cells))
    if unknown:
        raise InvalidCostError(what="cells", reason=f"{unknown[0]} is no cell of {partition.attribute}")
    everything = tuple(event for name in sorted(cells) for event in cells[name])
    touched = partition.cells_per_unit * (2 if relation is Relation.REPLACE_ONE else 1)
    if touched >= len(cells):
        return everything
    measures = {name: _measures(cells[name], relation) for name in cells}
    for name in sorted(cells):
        if all(_covers(measures[name], other) for other in measures.values()):
            return tuple(cells[name]) * touched
    return everything


def _measures(events: Sequence[Event], relation: Relation) -> list[float]:
    """Everything that a charge states about events, at every number of colluders."""
    honest = [total_curve([_restated(e, left) for e in events], relation) for left in (None, 1)]
    return [
        *np.concatenate(honest).tolist(),
        pure_units(events, relation),
        float(sum(map(own_delta, events))),
    ]


def _restated(event: Event, honest: int | None) -> Event:
    innermost = event
    while (inner := getattr(innermost, "inner", None)) is not None:
        innermost = inner
    parties = getattr(innermost, "parties", None)
    return event if honest is None or parties is None else with_colluding(event, parties - honest)


def _covers(one: list[float], other: list[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))
