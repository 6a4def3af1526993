"""The ledger's first entry; every site derives it from its own copy of the consortium file.

Layer:       federation.consortium.genesis. Pure.
Guarantees:  equal agreements give equal bytes, on every machine; a site signs no other genesis entry than this one.
See instead: signing and storing it (``privacy_accounting.ledger``).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from federation.errors import ConfigError
from privacy_accounting.budget import PopulationBudget, plan_sub_budget
from privacy_accounting.budget.allowance import ANY_NAME
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import Event, Relation, event_from_dict
from privacy_accounting.ledger.contents import Genesis
from privacy_accounting.ledger.entries import NO_PREVIOUS, Body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.consortium.consortium_model import SubBudget


def genesis_body(consortium: Consortium) -> Body:
    """Derive the genesis entry.

    Args:
        consortium: the agreement.

    Returns:
        The body whose content every site must sign.

    Raises:
        ConfigError: a budget or its plan cannot be priced.
    """
    file = consortium.founded
    digest = consortium.digest()
    mistakes: list[str] = []
    populations = {}
    for name in sorted(file.budgets):
        try:
            populations[name] = population_budget(consortium, name)
        except AccountingError as error:
            mistakes.append(f"budgets.{name}: {error}")
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    content = Genesis(
        consortium=digest,
        members={name: member.public_key for name, member in file.sites.items()},
        sequencer=file.sequencer,
        relation=Relation(file.relation),
        delta=file.delta,
        colluding=file.colluding,
        populations=populations,
    )
    return Body(
        chain=digest,
        number=0,
        previous=NO_PREVIOUS,
        time=0,
        cohort=tuple(sorted(file.sites)),
        content=content,
    )


def population_budget(consortium: Consortium, population: str) -> PopulationBudget:
    """Fix the orders and allowances of one population's budget.

    Args:
        consortium: the agreement.
        population: whose patients.

    Returns:
        The budget, each sub-budget with its order.

    Raises:
        InvalidCostError: a part cannot be priced at any order.
    """
    declared, delta = consortium.founded.budgets[population], consortium.delta_of(population)
    relation = Relation(consortium.founded.relation)
    parts = {
        name: plan_sub_budget(
            epsilon=declared.epsilon,
            delta=delta,
            share=part.share,
            plan=_planned_events(part),
            relation=relation,
        )
        for name, part in declared.parts.items()
    }
    # A consortium that names purposes means these and no others.
    purposes = {**declared.purposes, ANY_NAME: Fraction(0)} if declared.purposes else {}
    analysts = {name: analyst.cap for name, analyst in consortium.founded.analysts.items()}
    return PopulationBudget(
        epsilon=declared.epsilon,
        delta=delta,
        sub_budgets=parts,
        purpose_caps=purposes,
        analyst_caps=analysts,
    )


def _planned_events(part: SubBudget) -> Sequence[Event]:
    """Return the plan as events; a Gaussian without its noise stands for Gaussian releases of any size."""
    priced: list[Mapping[str, Any]] = [event for event in part.plan if set(event) - {"mechanism", "count"}]
    return [event_from_dict(event, where=f"plan[{place}]") for place, event in enumerate(priced)]
