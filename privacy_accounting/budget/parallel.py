"""Parallel composition: releases over disjoint groups of patients cost as much as the most expensive of them.

Layer:       privacy_accounting.budget, beside ``privacy_filter``. Pure.
Terms:       a *partition* divides patients by one attribute of the person that is fixed at ingest; its *cells* are
             its values; ``cells_per_unit`` is the most cells in which the records of one patient can lie (1 only if
             records are linked or a patient is at one site; else the number of sites).
Guarantees:  the events returned cost no less than the joint release at the filter's order and at every order of the
             grid, at every number of colluders, and in pure epsilon. Where no cell is the most expensive in all of
             these, or the partition is not declared, all cells are paid for.
Why:      nothing is put together from maxima of several cells: what is charged is what one real cell cost, several
          times over. At an order the joint divergence is at most that of the cells touched, hence at most the
          charge. Filters count at one order: it is among those compared, of the grid or not. Epsilon is the
          least of conversions, one at each order of the grid, and each grows with the cost; beside them stand
          the exact sum of pure epsilons and the events' own delta, which are compared too. Between
          orders that were compared nothing follows: two curves can cross there twice. So a charge made
          by these events holds for a sub-budget that moves to another order of the grid, and to no other.
See instead: declaring partitions (the schema), checking that a cell's release reads only its own cell (the plan).
Source:      McSherry, Privacy integrated queries (SIGMOD 2009), Theorem 4, which holds order by order for Rényi
             divergence because the other cells' outputs do not change; docs/guarantees.md P6. Adaptive choices within one cell
             are that cell's own composition.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Event, Relation
from privacy_accounting.rdp import (
    cost_units,
    exact_pure_epsilon,
    own_delta,
    pure_units,
    total_curve,
    with_colluding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Measure = float | Fraction


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
    partition: Partition, cells: Mapping[str, Sequence[Event]], relation: Relation, *, order: Fraction
) -> tuple[Event, ...]:
    """Give the events to charge for one release in each of several cells.

    Args:
        partition: as declared.
        cells: what is released about each cell.
        relation: which datasets are neighbours. Replacing a patient changes the cell left and the cell
            entered, so that twice as many cells are paid for.
        order: at which the charge is counted; of the grid or not.

    Returns:
        The most expensive cell's events, as many times over as one patient's change can touch cells; all events if
        no cell is the most expensive in every respect.

    Raises:
        InvalidCostError: a cell is not of the partition, or an event has no price under the relation.
    """
    unknown = sorted(set(cells) - set(partition.cells))
    if unknown:
        raise InvalidCostError(what="cells", reason=f"{unknown[0]} is not a cell of {partition.attribute}")
    everything = tuple(event for name in sorted(cells) for event in cells[name])
    touched = partition.cells_per_unit * (2 if relation is Relation.REPLACE_ONE else 1)
    if touched >= len(cells):
        return everything
    most = max((_parties(event) for event in everything), default=1)
    measures = {name: list(_measures(cells[name], relation, order, most)) for name in cells}
    for name in sorted(cells):
        if all(_covers(measures[name], other) for other in measures.values()):
            return tuple(cells[name]) * touched
    return everything


def _measures(events: Sequence[Event], relation: Relation, order: Fraction, most: int) -> Iterator[Measure]:
    """Everything that a charge states, or a figure is made of, at every number of colluders."""
    for colluding in (None, *range(most)):
        stated = [_at(event, colluding) for event in events]
        yield from total_curve(stated, relation).tolist()
        yield cost_units(stated, order, relation)
    yield pure_units(events, relation)
    pure = [exact_pure_epsilon(event, relation) for event in events]
    yield float("inf") if None in pure else sum(each for each in pure if each is not None)
    yield sum(map(own_delta, events), Fraction(0))


def _parties(event: Event) -> int:
    innermost = event
    while (inner := getattr(innermost, "inner", None)) is not None:
        innermost = inner
    return int(getattr(innermost, "parties", 1))


def _at(event: Event, colluding: int | None) -> Event:
    """Re-state an event at a number of colluders, of which one party at least is none; None: as it is."""
    return event if colluding is None else with_colluding(event, min(colluding, _parties(event) - 1))


def _covers(one: Sequence[Measure], other: Sequence[Measure]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))
