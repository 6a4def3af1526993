"""What one site more, or another machine of a site, means for the agreement, for the administrators who decide on it.

Layer:       federation.consortium.new_site, above consortium_file. Pure.
Guarantees:  an amendment is refused whose site takes the name or the address of another member. The words name every
             quantity that follows from the number of sites.
See instead: whether the ledger allows it (``federation.consortium.amending.site_changes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import AmendmentRejectedError

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.consortium_model import Member


def check_place(consortium: Consortium, name: str, member: Member) -> None:
    """Check a site's name and address against the other members.

    Args:
        consortium: the agreement with all entries so far.
        name: of the site.
        member: its place.

    Raises:
        AmendmentRejectedError: another member has the name or the address.
    """
    file = consortium.file
    helpers = [helper for helper in (file.dealer, file.aggregator, file.keyholder) if helper is not None]
    roles = {helper.name: "helper" for helper in helpers}
    roles |= dict.fromkeys(file.analysts, "analyst") | dict.fromkeys(file.auditors, "auditor")
    roles |= {other: standing.role for other, standing in consortium.roles().standings.items()}
    if name in roles:
        raise AmendmentRejectedError(
            reason=f"{name} is the name of another member ({roles[name]}) of this consortium"
        )
    addresses = {each.address: other for other, each in file.sites.items() if other != name}
    addresses |= {helper.address: helper.name for helper in helpers}
    if member.address in addresses:
        raise AmendmentRejectedError(
            reason=f"{member.address} is the address of {addresses[member.address]} already"
        )


def consequences(consortium: Consortium) -> list[str]:
    """Describe what follows from one site more.

    Args:
        consortium: the agreement among the present sites, without the new one.

    Returns:
        Sentences; the same at every site.
    """
    file, before = consortium.file, len(consortium.names)
    after = before + 1
    lines = [
        f"sites: {after} instead of {before}",
        f"up to {file.colluding} of them may pool what they know, as before; the other {after - file.colluding} add enough noise",
        "budgets and all earlier charges stay; they count for the new site's persons too",
    ]
    for name, table in consortium.schema.tables.items():
        now, then = table.sites_per_unit(before), table.sites_per_unit(after)
        rows = (
            f"table {name}: a person may have rows at {then} sites instead of {now}, which needs more noise"
        )
        if now == then:
            rows = f"table {name}: a person has rows at {now} site(s) at most, and this must hold with the new site too"
        lines.append(f"{rows}; an exact figure needs {file.minimum_cell * then} persons")
    if consortium.three_sites is not None:
        lines.append("the computing sites stay the same; the new site shares its inputs with them")
    return lines
