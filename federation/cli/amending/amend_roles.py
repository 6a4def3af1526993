"""Proposals that change analysts, auditors and helpers: add-member, remove-member, renew-member.

Layer:       federation.cli.amending.amend_roles, above amendments.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.amending.amendments import Out, SiteFile, write_amendment
from federation.cli.options import positive_decimal
from federation.cli.outcome import UsageError
from federation.cli.reporting import reported

if TYPE_CHECKING:
    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.consortium_file import Consortium
    from federation.setup.several_machines.renewing import Certified
    from privacy_accounting.ledger.changes.role_change import RoleChange
    from privacy_accounting.ledger.state import ChainState

Certificate = Annotated[
    Path, typer.Option("--certificate", help="The member's certificate, as the founder sent it.")
]


@reported("ledger propose add-member")
def add_member(
    site: SiteFile,
    out: Out,
    certificate: Certificate,
    cap: Annotated[
        str, typer.Option("--cap", help="Of an analyst: the fraction of each sub-budget, from 0 to 1.")
    ] = "",
) -> None:
    """Add an analyst or an auditor, who has made a key with crossward enrol."""
    from dataclasses import replace

    from federation.setup.several_machines.enrolling import addition

    found = _certified(site, certificate)
    if (found.role == "analyst") != bool(cap):
        raise UsageError(
            reason=f"--cap is {'needed' if not cap else 'only'} for an analyst; {found.name} is {found.role}"
        )
    change = addition(found.name, found.role, found.key)
    if cap:
        fraction = positive_decimal(cap, name="cap")
        if fraction > 1:
            raise UsageError(reason=f"--cap is a fraction from 0 to 1, not {cap}")
        change = replace(change, cap=fraction)
    _propose(site, out, change)


@reported("ledger propose remove-member")
def remove_member(
    site: SiteFile,
    out: Out,
    name: Annotated[str, typer.Option("--name", help="The analyst or auditor.")],
) -> None:
    """Remove an analyst or an auditor; from the entry on every site refuses what that member asks."""
    from federation.consortium.amending.present_roles import present_roles
    from privacy_accounting.ledger.changes.role_change import CALLERS, RoleChange

    role, _ = present_roles(_in_force(site)).get(name, ("", ""))
    if role not in CALLERS:
        what = f"{name} is the {role}" if role else f"{name} is no member"
        raise UsageError(reason=f"{what}; only an analyst or an auditor is removed so")
    _propose(site, out, RoleChange(change="remove", role=role, name=name, key=""))


@reported("ledger propose renew-member")
def renew_member(site: SiteFile, out: Out, certificate: Certificate) -> None:
    """Renew the key of an analyst, an auditor or a helper, who has made it with crossward renew."""
    from privacy_accounting.ledger.changes.role_change import ROLES, RoleChange

    found = _certified(site, certificate)
    if found.role not in ROLES:
        raise UsageError(reason=f"{found.name} is a site: crossward ledger propose renew-site")
    _propose(site, out, RoleChange(change="rekey", role=found.role, name=found.name, key=found.key))


def add_to(propose: typer.Typer) -> None:
    """Add these commands to those that propose amendments."""
    for command in (add_member, remove_member, renew_member):
        propose.command(command.__name__.replace("_", "-"))(command)


def _certified(site: Path, certificate: Path) -> Certified:
    from federation.cli.founding.found import read_file
    from federation.setup.several_machines.renewing import RenewedCertificate

    return RenewedCertificate.from_bytes(read_file(certificate)).read(_in_force(site))


def _in_force(site: Path) -> Consortium:
    from federation.consortium.site_file import load_site
    from federation.setup.several_machines.renewing import in_force

    return in_force(load_site(site))


def _propose(site: Path, out: Path, change: RoleChange) -> None:
    from federation.consortium.amending.amendments import change_role
    from federation.consortium.amending.present_roles import check_role_change

    agreement = _in_force(site)

    def make(state: ChainState) -> Amendment:
        check_role_change(change, agreement, state.roles)
        return change_role(state, change)

    write_amendment(site, out, make)
