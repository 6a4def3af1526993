"""Which sites may be the cohort of an attempt, by public numbers alone.

Layer:       federation.training.rounds.cohort_rules. Pure.
Terms:       K is the size of a cohort that is formed of announced updates (``Strategy.buffer``), n the number of sites
             of the agreement, t that of colluding sites.
Guarantees:  every party asks these rules of every attempt, before its charge and again before its work. A cohort has
             at least three different sites and at least one honest one beside t. Without noise it is all sites. Of
             announced updates it is exactly K of at least K + 1 sites, with K - t >= 2, and the run has an epsilon.
Source:      docs/guarantees.md P13, P16, P17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.paillier.packing import MINIMUM_CONTRIBUTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_HONEST_EXACT: Final = 2
FEWEST_HONEST_BUFFER: Final = 2


def fewest_sites(*, colluding: int, exact: bool, buffer: int | None) -> int:
    """Return the smallest number of present sites with which a run goes on."""
    honest = FEWEST_HONEST_EXACT if exact else 1
    return max(MINIMUM_CONTRIBUTORS, colluding + honest, buffer or 0)


def cohort_mistakes(
    cohort: Sequence[str], sites: Sequence[str], *, colluding: int, exact: bool, buffer: int | None
) -> list[str]:
    """Return why these sites may not be the cohort of an attempt.

    Args:
        cohort: the sites that take part.
        sites: of the agreement, sorted.
        colluding: t.
        exact: whether no noise is added.
        buffer: K; None where all present sites take part.
    """
    found = []
    if len(cohort) < MINIMUM_CONTRIBUTORS:
        found.append(f"cohort: at least {MINIMUM_CONTRIBUTORS} sites are needed")
    if list(cohort) != sorted(set(cohort)) or not set(cohort) <= set(sites):
        found.append("cohort: different sites of the consortium in sorted order are needed")
    fewest = FEWEST_HONEST_EXACT if exact else 1
    if len(cohort) - colluding < fewest:
        found.append(f"cohort: at least {fewest} more sites than colluding ones are needed")
    if exact and tuple(cohort) != tuple(sites):
        found.append("cohort: without noise every site of the consortium takes part in every attempt")
    if buffer is not None and len(cohort) != buffer:
        found.append(f"cohort: exactly {buffer} sites are needed, as many as the buffer holds")
    return found


def buffer_mistakes(n_sites: int, *, colluding: int, exact: bool, buffer: int | None) -> list[str]:
    """Return why a run cannot form its cohorts of announced updates; arguments as ``cohort_mistakes``."""
    if buffer is None:
        return []
    found = []
    if exact:
        found.append("strategy: cohorts of a part of the sites need an epsilon")
    if n_sites <= buffer:
        found.append(f"buffer: {buffer} updates need at least {buffer + 1} sites, and there are {n_sites}")
    if buffer - colluding < FEWEST_HONEST_BUFFER:
        found.append(
            f"buffer: at least {FEWEST_HONEST_BUFFER} more updates than the {colluding} colluding sites are needed"
        )
    return found
