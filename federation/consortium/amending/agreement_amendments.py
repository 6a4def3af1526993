"""Amendments of the agreement after the first charge: columns, tables, wider domains, minimum cell, policy floor.

Layer:       federation.consortium.amending.agreement_amendments, below amendments. Pure.
Guarantees:  the difference is stated in words from the agreement in force at this site and the terms alone, so that an
             administrator reads what the entry does, and nothing that the proposer wrote about it.
See instead: what terms may say (``agreement_terms``), a site's data against them (``federation.node.agreement_review``).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from analytics.statistics.profiles.requirements import requires_as_much
from federation.consortium.agreement_terms import AgreementTerms, floor_fields
from federation.consortium.amending.agreement_changes import term_changes
from federation.errors import AmendmentRejectedError, ConfigError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.agreements import Amended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.changes.agreement_change import AgreementChange
    from privacy_accounting.ledger.state import ChainState


LOOSER: Final = "looser: each site's own file decides up to it; what was given stays known"


def agreement_text(content: AgreementChange) -> str:
    """Describe a change of the agreement, for the administrator who approves it."""
    try:
        terms = AgreementTerms.from_text(content.terms)
    except ConfigError:
        return "amend the agreement, by terms that this version cannot read"
    parts = [f"table {name}" for name in sorted(terms.tables)]
    parts += [] if terms.floor is None else ["the policy floor"]
    parts += [] if terms.minimum_cell is None else [f"the minimum cell, {terms.minimum_cell} from then on"]
    return f"amend the agreement in {', '.join(parts)}; every node is restarted with it"


def agreement_now(state: ChainState) -> str:
    """Describe the agreement in force by a site's ledger."""
    configuration = state.agreements.configuration(state.chain)
    since = state.agreements.basis
    return f"now: agreement {configuration[:16]}" + (f" since entry {since}" if since else "")


def check_agreement(state: ChainState, content: AgreementChange) -> AgreementChange:
    """Return a change that the ledger would take at its present end.

    Raises:
        AmendmentRejectedError: it was made on another agreement than the one in force.
    """
    try:
        state.agreements.check(content, state.chain)
    except LedgerRefusedError as error:
        raise AmendmentRejectedError(reason=error.reason) from error
    return content


def amended_agreement(content: AgreementChange, consortium: Consortium, number: int) -> Consortium:
    """Return the agreement that a change leads to.

    Args:
        content: the change.
        consortium: the agreement in force at this site.
        number: of the change's entry, or of the next entry while it has none.

    Raises:
        AmendmentRejectedError: it was made on another agreement, takes something away, makes a domain narrower, or says
            more than it changes.
    """
    try:
        found = consortium.amended(Amended(number=number, change=content))
    except ConfigError as error:
        raise AmendmentRejectedError(reason="; ".join(error.mistakes)) from error
    terms = AgreementTerms.from_text(content.terms)
    cell = None if terms.minimum_cell == consortium.file.minimum_cell else terms.minimum_cell
    floor = floor_fields(found.file.floor)
    changed = None if floor == floor_fields(consortium.file.floor) else floor
    if AgreementTerms.between(consortium.schema, found.schema, minimum_cell=cell, floor=changed) != terms:
        raise AmendmentRejectedError(reason="the terms say more than they change; propose them again")
    return found


def consequences(before: Consortium, after: Consortium) -> list[str]:
    """Say in words what a change of the agreement does, for the administrator who decides on it.

    Args:
        before: the agreement in force.
        after: with the change.
    """
    lines = term_changes(before, after)
    old, new = before.file.minimum_cell, after.file.minimum_cell
    if new < old:
        lines.append(
            f"looser: exact answers may show groups of {new} people and more, also where {old} was promised"
        )
    if new > old:
        lines.append(f"stricter: exact answers show no group below {new} people; what was shown stays known")
    lines += _floor(floor_fields(before.file.floor), floor_fields(after.file.floor))
    lines.append("answers released before are not used again, and every request is planned anew")
    if before.schema != after.schema:
        lines.append(
            "exact answers from before and after differ by what lay outside an earlier bound or domain: that may be few people"
        )
    return lines


_TRAININGS: Final = (False, "guarded", "unguarded")


def _floor(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Say for each key of the policy floor what it was, is to be, and whether that is stricter or looser."""
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if new == old:
            continue
        if key == "require":
            is_stricter = requires_as_much(new or {}, old or {})
        elif key == "exact_training":
            is_stricter = _TRAININGS.index(new) < _TRAININGS.index(old)
        elif key == "exact":
            is_stricter = not new
        else:
            is_stricter = old is None or (new is not None and Fraction(new) < Fraction(old))
        how = "stricter: every site keeps to it, whatever its own file says" if is_stricter else LOOSER
        yield f"policy floor: {key} from {_said(old)} to {_said(new)}; {how}"


def _said(value: object) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, dict):
        return "; ".join(f"{table}: {', '.join(rules)}" for table, rules in value.items())
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
