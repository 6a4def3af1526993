"""Amendments of the agreement after the first charge: new columns and tables, wider domains, another minimum cell.

Layer:       federation.consortium.agreement_amendments, below amendments. Pure.
Guarantees:  the difference is stated in words from the agreement in force at this site and the terms alone, so that an
             administrator reads what the entry does, and nothing that the proposer wrote about it.
See instead: what terms may say (``agreement_terms``), the preflight of a site's data (``federation.node.preflight``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.consortium.agreement_changes import term_changes
from federation.consortium.agreement_terms import AgreementTerms
from federation.errors import AmendmentRejectedError, ConfigError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.agreements import Amended

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.agreement_change import AgreementChange
    from privacy_accounting.ledger.state import ChainState


def agreement_text(content: AgreementChange) -> str:
    """Describe a change of the agreement, for the administrator who approves it."""
    try:
        terms = AgreementTerms.from_text(content.terms)
    except ConfigError:
        return "amend the agreement, by terms that this version cannot read"
    parts = [f"table {name}" for name in sorted(terms.tables)]
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
    if AgreementTerms.between(consortium.schema, found.schema, cell) != terms:
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
    lines.append("answers released before are not used again, and every request is planned anew")
    if before.schema != after.schema:
        lines.append(
            "exact answers from before and after differ by what lay outside an earlier bound or domain: that may be few people"
        )
    return lines
