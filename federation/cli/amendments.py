"""What the administrators of all sites type to change the agreement: propose, agree, revoke, enter.

Layer:       federation.cli.amendments, below ledger.
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.consortium.amendments import Amendment
    from privacy_accounting.ledger.state import ChainState

propose = typer.Typer(
    help="Write down a change of the agreement, for all administrators to agree to.", no_args_is_help=True
)
SiteFile = Annotated[Path, typer.Argument(help="The site file.")]
MotionFile = Annotated[Path, typer.Argument(help="The file that crossward ledger propose wrote.")]
Out = Annotated[Path, typer.Option("--out", help="The proposal, a new file.")]


@propose.command("raise-budget")
def raise_budget(
    site: SiteFile,
    out: Out,
    population: Annotated[str, typer.Option("--population", help="Whose patients.")],
    epsilon: Annotated[str, typer.Option("--epsilon", help="Of the whole population from then on.")],
) -> None:
    """Raise a population's epsilon; its parts keep their shares."""
    from federation.consortium.amendments import raise_budget as motion_of

    amount = positive_decimal(epsilon, name="epsilon")
    _write(site, out, lambda state: motion_of(state, population, amount))


@propose.command("move-order")
def move_order(
    site: SiteFile,
    out: Out,
    population: Annotated[str, typer.Option("--population", help="Whose patients.")],
    sub_budget: Annotated[str, typer.Option("--sub-budget", help="query, mining or training.")],
    order: Annotated[str, typer.Option("--order", help="The Rényi order to count at from then on.")],
) -> None:
    """Count a sub-budget at another order, for other work than was planned; what was spent is priced anew."""
    from federation.consortium.amendments import change_order as motion_of

    number = positive_decimal(order, name="order")
    _write(site, out, lambda state: motion_of(state, population, sub_budget, number))


@propose.command("hand-over")
def hand_over(
    site: SiteFile,
    out: Out,
    to: Annotated[str, typer.Option("--to", help="The site that orders the ledger from then on.")],
) -> None:
    """Let another site order the ledger; both are running."""
    from federation.consortium.amendments import transfer_sequencer as motion_of

    _write(site, out, lambda state: motion_of(state, to))


@propose.command("leave-out")
def leave_out(
    site: SiteFile,
    out: Out,
    lost: Annotated[str, typer.Option("--lost", help="The site that will never come back.")],
    sequencer: Annotated[
        str, typer.Option("--to", help="Where the lost one ordered the ledger: who does from then on.")
    ] = "",
) -> None:
    """Go on without a site that is lost for good."""
    from federation.consortium.amendments import remove_site as motion_of

    _write(site, out, lambda state: motion_of(state, lost, sequencer=sequencer))


@propose.command("correct-clock")
def correct_clock(site: SiteFile, out: Out) -> None:
    """Go on after all clocks were ahead: give up the last entry's date; set the clocks right first."""
    from federation.consortium.amendments import correct_clock as motion_of

    _write(site, out, lambda state: motion_of(state, now=int(time.time())))


def _write(site: Path, out: Path, make: Callable[[ChainState], Amendment]) -> None:
    from federation.consortium.site_file import load_site
    from federation.node.ledger.storage import read_ledger
    from federation.node.ledger.summary import read_state

    store = read_ledger(load_site(site))
    try:
        state = read_state(store)
        motion = make(state)
    finally:
        store.close()
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as stream:
            stream.write(motion.to_bytes())
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    typer.echo(f"motion {motion.digest[:16]}: {motion.text()} ({motion.now(state)})")
    typer.echo(f"Next, at every site: crossward ledger agree SITE.toml {out.name}")
    typer.echo(f"then, once: crossward ledger enter {out.name} -c consortium.toml")


def agree(site: SiteFile, motion: MotionFile) -> None:
    """Agree to a change at this site: its node may sign exactly this, once."""
    from federation.consortium.amendments import Approvals
    from federation.consortium.site_file import load_site
    from federation.node.ledger.storage import read_ledger
    from federation.node.ledger.summary import read_state

    config, wanted = load_site(site), _read(motion)
    store = read_ledger(config)
    try:
        state = read_state(store)
        wanted.check_fits(state)
    finally:
        store.close()
    Approvals(config.consents).agree(wanted)
    typer.echo(
        f"{config.file.site} agrees to motion {wanted.digest[:16]}: {wanted.text()} ({wanted.now(state)})"
    )


def revoke(site: SiteFile, motion: MotionFile) -> None:
    """Take an agreement back, as long as the change is not entered."""
    from federation.consortium.amendments import Approvals
    from federation.consortium.site_file import load_site

    config, wanted = load_site(site), _read(motion)
    there = Approvals(config.consents).revoke(wanted)
    told = "takes back its agreement" if there else "had not agreed"
    typer.echo(f"{config.file.site} {told} to motion {wanted.digest[:16]}")


def enter(
    motion: MotionFile, consortium: ConsortiumFile, identity: IdentityFile = None, as_json: AsJson = False
) -> None:
    """Have a change signed by all sites; each signs only what its administrator agreed to."""
    wanted = _read(motion)
    with open_session(consortium, identity) as session:
        entered = session.enter(wanted)
    if as_json:
        print_json(entered)
        return
    typer.echo(f"entry {entered['number']}: {wanted.text()}; signed by {', '.join(entered['signed_by'])}")
    if wanted.leaves_out:
        typer.echo("Now restart the nodes of all sites that are left; until then they refuse questions")


def _read(path: Path) -> Amendment:
    from federation.consortium.amendments import MAX_BYTES, Amendment

    try:
        with path.open("rb") as stream:
            return Amendment.from_bytes(stream.read(MAX_BYTES + 1))
    except OSError as error:
        raise UsageError(reason=f"cannot read {path}: {error.strerror}") from error
