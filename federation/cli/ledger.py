"""Commands of a site's administrator on the ledger: show, export, archive, catch-up, and amendments.

Layer:       federation.cli.ledger.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.amending import amend_agreement, amend_roles, amend_tables, amendments, site_amendments
from federation.cli.options import AsJson, print_json
from federation.cli.outcome import UsageError
from federation.cli.reporting import note, reported, say

app = typer.Typer(help="Maintain a site's ledger; needs the site's own file.", no_args_is_help=True)
SiteFile = Annotated[Path, typer.Argument(help="The site file.")]
DAY_S = 86_400

app.add_typer(amendments.propose, name="propose")
amend_roles.add_to(amendments.propose)
amendments.propose.command("table-version")(amend_tables.table_version)
amendments.propose.command("change-agreement")(amend_agreement.change_agreement)
site_amendments.add_to(amendments.propose)
app.command()(amendments.revoke)
for command, earlier_name in ((amendments.approve, "agree"), (amendments.apply, "enter")):
    app.command()(command)
    app.command(earlier_name, hidden=True)(command)  # deprecated: for one release


@app.command()
def show(site: SiteFile, as_json: AsJson = False) -> None:
    """Show the ledger: entries, members, budgets, pending proposals."""
    from federation.consortium.site_file import load_site
    from federation.node.ledger.summary import summarise

    report = summarise(load_site(site))
    if as_json:
        print_json(report.to_dict())
    else:
        for line in report.lines():
            typer.echo(line)


@app.command()
@reported("ledger export")
def export(
    site: SiteFile,
    out: Annotated[
        Path, typer.Option("--out", help="A new file: NAME.jsonl for JSON lines, else a ledger file.")
    ],
) -> None:
    """Copy the ledger into a file for crossward audit; the node may run."""
    from federation.consortium.site_file import load_site
    from federation.node.ledger.maintenance import export_ledger

    try:
        number = export_ledger(load_site(site), out)
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    note(files=out, entries=number)
    say(f"wrote {number} entries to {out}")


@app.command()
@reported("ledger archive")
def archive(
    site: SiteFile,
    into: Annotated[Path, typer.Option("--into", help="The archive, a new file; keep it.")],
    older_than: Annotated[
        int, typer.Option("--older-than", help="Days; younger entries stay in the ledger.", min=0)
    ],
) -> None:
    """Move old entries into an archive file; stop the node first."""
    from federation.consortium.site_file import load_site
    from federation.node.ledger.maintenance import archive_ledger

    try:
        begins = archive_ledger(load_site(site), into, older_than=int(time.time()) - older_than * DAY_S)
    except OSError as error:
        raise UsageError(reason=f"cannot write {into}: {error.strerror}") from error
    note(files=into, begins=begins)
    say(f"wrote {into}: everything up to now; the ledger begins at entry {begins} from here on")
    say("Keep the archive: a site that lags behind needs it, and an audit of the whole ledger reads it too")


@app.command("catch-up")
@reported("ledger catch-up")
def catch_up(
    site: SiteFile,
    source: Annotated[Path, typer.Argument(help="Another site's archive or export; each entry is verified.")],
) -> None:
    """Add entries that the other sites have archived; stop the node first."""
    from federation.consortium.site_file import load_site
    from federation.node.ledger.maintenance import take_over

    number = take_over(load_site(site), source)
    note(entries=number)
    say(f"added {number} entries" if number else "the file holds no new entry")
