"""Commands of the site administrators that amend the agreement: propose, approve, revoke, apply.

Layer:       federation.cli.amending.amendments, below ledger.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    AsJson,
    ConsortiumFile,
    IdentityFile,
    open_session,
    positive_decimal,
    print_json,
)
from federation.cli.outcome import UsageError
from federation.cli.reporting import note, reported, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.consortium.amending.amendments import Amendment
    from privacy_accounting.ledger.state import ChainState

propose = typer.Typer(
    help="Write an amendment of the agreement, for all administrators to approve.", no_args_is_help=True
)
SiteFile = Annotated[Path, typer.Argument(help="The site file.")]
AmendmentFile = Annotated[Path, typer.Argument(help="The file that crossward ledger propose wrote.")]
Out = Annotated[Path, typer.Option("--out", help="The amendment, a new file.")]


@propose.command("raise-budget")
@reported("ledger propose raise-budget")
def raise_budget(
    site: SiteFile,
    out: Out,
    population: Annotated[str, typer.Option("--population", help="Whose patients.")],
    epsilon: Annotated[str, typer.Option("--epsilon", help="The new epsilon of the whole population.")],
) -> None:
    """Raise a population's epsilon; its sub-budgets keep their shares."""
    from federation.consortium.amending.amendments import raise_budget as amendment_of

    amount = positive_decimal(epsilon, name="epsilon")
    write_amendment(site, out, lambda state: amendment_of(state, population, amount))


@propose.command("change-order")
@propose.command("move-order", hidden=True)
@reported("ledger propose change-order")
def change_order(
    site: SiteFile,
    out: Out,
    population: Annotated[str, typer.Option("--population", help="Whose patients.")],
    sub_budget: Annotated[str, typer.Option("--sub-budget", help="query, mining or training.")],
    order: Annotated[str, typer.Option("--order", help="The new Rényi order of the sub-budget.")],
) -> None:
    """Count a sub-budget at another Rényi order; the ledger prices all earlier charges again at it."""
    from federation.consortium.amending.amendments import change_order as amendment_of

    number = positive_decimal(order, name="order")
    write_amendment(site, out, lambda state: amendment_of(state, population, sub_budget, number))


@propose.command("transfer-sequencer")
@propose.command("hand-over", hidden=True)
@reported("ledger propose transfer-sequencer")
def transfer_sequencer(
    site: SiteFile,
    out: Out,
    to: Annotated[str, typer.Option("--to", help="The next sequencer.")],
) -> None:
    """Make another site the sequencer; both sites are running."""
    from federation.consortium.amending.amendments import transfer_sequencer as amendment_of

    write_amendment(site, out, lambda state: amendment_of(state, to))


@propose.command("remove-site")
@propose.command("leave-out", hidden=True)
@reported("ledger propose remove-site")
def remove_site(
    site: SiteFile,
    out: Out,
    lost: Annotated[str, typer.Option("--lost", help="The site that is lost for good.")],
    sequencer: Annotated[
        str, typer.Option("--to", help="The next sequencer, where the lost site was the sequencer.")
    ] = "",
) -> None:
    """Remove a site that is lost for good."""
    from federation.consortium.amending.amendments import remove_site as amendment_of

    write_amendment(site, out, lambda state: amendment_of(state, lost, sequencer=sequencer))


@propose.command("renew-site")
@reported("ledger propose renew-site")
def renew_site(
    site: SiteFile,
    out: Out,
    certificate: Annotated[
        Path, typer.Option("--certificate", help="The renewed certificate, as the founder sent it.")
    ],
) -> None:
    """Renew the key of a site, which has made it with crossward renew and kept its certificate."""
    from federation.cli.founding.found import read_file
    from federation.consortium.amending.amendments import renew_site as amendment_of
    from federation.consortium.site_file import load_site
    from federation.setup.several_machines.renewing import RenewedCertificate

    renewed = RenewedCertificate.from_bytes(read_file(certificate))
    name, key, _ = renewed.check(load_site(site).consortium)
    write_amendment(site, out, lambda state: amendment_of(state, name, key))


@propose.command("correct-clock")
@reported("ledger propose correct-clock")
def correct_clock(site: SiteFile, out: Out) -> None:
    """Give up the date of the last entry after all clocks were ahead; set the clocks right first."""
    from federation.consortium.amending.amendments import correct_clock as amendment_of

    write_amendment(site, out, lambda state: amendment_of(state, now=int(time.time())))


def write_amendment(site: Path, out: Path, make: Callable[[ChainState], Amendment]) -> None:
    """Write an amendment and say what comes next.

    Args:
        site: the site file.
        out: the amendment, a new file.
        make: gives the amendment from the site's ledger.

    Raises:
        UsageError: the file cannot be written.
    """
    from federation.consortium.site_file import load_site
    from federation.node.agreement_review import review_agreement
    from federation.node.ledger.storage import read_ledger
    from federation.node.ledger.summary import read_state
    from federation.setup.several_machines.entering import check_new_site

    config = load_site(site)
    store = read_ledger(config)
    try:
        state = read_state(store)
        amendment = make(state)
    finally:
        store.close()
    follows = check_new_site(config, amendment, state) + review_agreement(config, amendment, state)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as stream:
            stream.write(amendment.to_bytes())
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    note(files=out, amendment=amendment.digest, text=amendment.text())
    say(f"amendment {amendment.digest[:16]}: {amendment.text()} ({amendment.now(state)})")
    for line in follows:
        say(f"  {line}")
    too = ", the new one too" if amendment.site is not None else ""
    say(f"Next, at every site{too}: crossward ledger approve SITE.toml {out.name}")
    say(f"then, once: crossward ledger apply {out.name} -c consortium.toml")


@reported("ledger approve")
def approve(site: SiteFile, amendment: AmendmentFile) -> None:
    """Approve an amendment at this site: the site's node may sign exactly this, once."""
    from federation.consortium.amending.administrator_approvals import Approvals
    from federation.consortium.amending.present_roles import check_role_change
    from federation.consortium.amending.table_amendments import check_in_schema
    from federation.consortium.site_file import load_site
    from federation.node.agreement_review import review_agreement
    from federation.node.ledger.storage import read_ledger
    from federation.node.ledger.summary import read_state
    from federation.setup.several_machines.entering import check_new_site
    from federation.setup.several_machines.renewing import check_holds_key
    from privacy_accounting.ledger.changes.role_change import RoleChange
    from privacy_accounting.ledger.changes.table_version import TableVersion

    config, wanted = load_site(site), _read(amendment)
    store = read_ledger(config)
    try:
        state = read_state(store)
        wanted.check_fits(state)
        if isinstance(wanted.content, RoleChange):
            check_role_change(wanted.content, config.consortium, state.roles)
        if isinstance(wanted.content, TableVersion):
            check_in_schema(wanted.content, config.consortium)
    finally:
        store.close()
    follows = check_new_site(config, wanted, state) + review_agreement(config, wanted, state)
    if wanted.renews and wanted.site is None:
        check_holds_key(config, *wanted.renews)
    Approvals(config.consents).agree(wanted)
    note(site=config.file.site, amendment=wanted.digest, text=wanted.text())
    say(f"{config.file.site} approves amendment {wanted.digest[:16]}: {wanted.text()} ({wanted.now(state)})")
    for line in follows:
        say(f"  {line}")
    if wanted.site is not None and state.members().sequencer == config.file.site:
        say(f"Next: restart the node of {config.file.site}, the sequencer, so that it connects to the site")


@reported("ledger revoke")
def revoke(site: SiteFile, amendment: AmendmentFile) -> None:
    """Withdraw this site's approval, as long as the amendment is not in the ledger."""
    from federation.consortium.amending.administrator_approvals import Approvals
    from federation.consortium.site_file import load_site

    config, wanted = load_site(site), _read(amendment)
    was_approved = Approvals(config.consents).revoke(wanted)
    note(site=config.file.site, amendment=wanted.digest, was_approved=was_approved)
    what = "withdraws its approval of" if was_approved else "had not approved"
    say(f"{config.file.site} {what} amendment {wanted.digest[:16]}")


def apply(
    amendment: AmendmentFile,
    consortium: ConsortiumFile,
    identity: IdentityFile = None,
    as_json: AsJson = False,
) -> None:
    """Have all sites sign an amendment; each site signs only what its administrator approved."""
    wanted = _read(amendment)
    with open_session(consortium, identity) as session:
        applied = session.enter(wanted)
    if as_json:
        print_json(applied)
        return
    typer.echo(f"entry {applied['number']}: {wanted.text()}; signed by {', '.join(applied['signed_by'])}")
    if wanted.leaves_out:
        typer.echo("Now restart the nodes of the remaining sites; until then they refuse questions")
    if wanted.renews:
        which = "all nodes" if wanted.site is None else "all nodes but that of the new site"
        typer.echo(
            f"Now restart {which}; until then they refuse questions. Then send members.json, which each site has"
        )
        typer.echo("beside its consortium file, to analysts, auditors and helpers: it belongs beside theirs")
    if wanted.declares_table:
        typer.echo("Now restart the nodes of all sites with the new rows; until then they refuse questions")
    if wanted.amends_agreement:
        typer.echo(
            "Now restart the nodes of all sites; until then they refuse questions. Then send members.json,"
        )
        typer.echo(
            "which each site has beside its consortium file, to the dealer, the aggregator and the key holder: they put it"
        )
        typer.echo("beside theirs and restart. Analysts and auditors fetch it when they connect")
    if wanted.renews_helper:
        typer.echo(
            f"Restart the {wanted.renews_helper} with members.json beside its consortium file: sites accept its"
        )
        typer.echo("new key alone from this entry on")
    if wanted.changes_role:
        typer.echo(
            "It holds from this entry on; no node is restarted. Each site writes members.json beside its"
        )
        typer.echo("consortium file: send it to analysts, auditors and helpers, who put it beside theirs")


def _read(path: Path) -> Amendment:
    from federation.consortium.amending.amendments import MAX_BYTES, Amendment

    try:
        with path.open("rb") as stream:
            return Amendment.from_bytes(stream.read(MAX_BYTES + 1))
    except OSError as error:
        raise UsageError(reason=f"cannot read {path}: {error.strerror}") from error
