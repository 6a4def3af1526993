"""The members of an agreement that are not sites, as the ledger's entries have changed them.

Layer:       federation.consortium.amending.present_roles, above consortium_file. Pure.
Terms:       a *founding* member stands in the consortium file; its key holds until an entry renews or removes it.
Guarantees:  every name and every key, of the file and of all entries, belongs to one member. The last analyst is not
             removed, since amendments are applied by an analyst.
See instead: the rules of the ledger itself (``privacy_accounting.ledger.parties.roles``), certificates
             (``federation.identity.certificates``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.errors import AmendmentRejectedError
from privacy_accounting.ledger.changes.role_change import ANALYST

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.changes.role_change import RoleChange
    from privacy_accounting.ledger.parties.roles import Roles

HELPERS: Final = ("dealer", "aggregator", "keyholder")


def founding_roles(consortium: Consortium) -> dict[str, tuple[str, str]]:
    """Give role and key (hex) of each member of the consortium file that is not a site, by name."""
    file = consortium.file
    found = {name: (ANALYST, each.public_key) for name, each in file.analysts.items()}
    found |= {name: ("auditor", each.public_key) for name, each in file.auditors.items()}
    for role in HELPERS:
        helper = getattr(file, role)
        if helper is not None:
            found[helper.name] = (role, helper.public_key)
    return found


def present_roles(consortium: Consortium, roles: Roles | None = None) -> dict[str, tuple[str, str]]:
    """Give role and key (hex) of each present member that is not a site, by name.

    Args:
        consortium: the agreement.
        roles: the role entries; default those that the agreement knows of.
    """
    found = founding_roles(consortium)
    for name, standing in (consortium.roles() if roles is None else roles).standings.items():
        if standing.removed:
            found.pop(name, None)
        else:
            found[name] = (standing.role, standing.key or found[name][1])
    return found


def present_analysts(consortium: Consortium, roles: Roles | None = None) -> dict[str, str]:
    """Give the key (hex) of each present analyst, by name; arguments as ``present_roles``."""
    found = present_roles(consortium, roles)
    return {name: key for name, (role, key) in found.items() if role == ANALYST}


def last_key_of_analyst(consortium: Consortium, name: str) -> str:
    """Give the present key of an analyst, hex, or the last one of a removed analyst; empty for anybody else."""
    standing = consortium.roles().standings.get(name)
    if standing is not None and standing.role != ANALYST:
        return ""
    founding = consortium.file.analysts.get(name)
    return (standing.key if standing is not None else "") or ("" if founding is None else founding.public_key)


def check_role_change(change: RoleChange, consortium: Consortium, roles: Roles | None = None) -> None:
    """Check a change against the members of the consortium file, which the ledger does not name.

    Args:
        change: the change.
        consortium: the agreement.
        roles: the role entries of a site's ledger; default those that the agreement knows of.

    Raises:
        AmendmentRejectedError: it takes a name or a key of a member, is of no member, or removes the last analyst.
    """
    founding, name = founding_roles(consortium), change.name
    roles = consortium.roles() if roles is None else roles
    if change.change == "add":
        if name in founding or name in consortium.file.sites or name in roles.standings:
            raise AmendmentRejectedError(reason=f"{name} is a member already: a new member takes a new name")
    else:
        role, _ = present_roles(consortium, roles).get(name, ("", ""))
        if role != change.role:
            raise AmendmentRejectedError(reason=f"{name} is no {change.role} of this consortium")
    if change.key and is_used_key(change.key, consortium, roles):
        raise AmendmentRejectedError(
            reason="the new key is, or was, a member's: every member has a key of its own"
        )
    if change.change == "remove" and list(present_analysts(consortium, roles)) == [name]:
        raise AmendmentRejectedError(
            reason=f"{name} is the only analyst, and an analyst applies amendments: add another one first"
        )


def is_used_key(key: str, consortium: Consortium, roles: Roles) -> bool:
    """Whether a key (hex) is, or was, a member's; arguments as ``check_role_change``."""
    sites = {member.public_key for member in consortium.file.sites.values()} | set(
        consortium.site_keys.values()
    )
    others = {each for _, each in founding_roles(consortium).values()}
    return key in others | sites | {change.key for _, change in roles.changes}
