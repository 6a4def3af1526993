"""Commands of an administrator: init, up, down, serve, doctor.

Layer:       federation.cli.operate.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from analytics.errors import InvalidRequestError
from federation.cli.options import (
    AsJson,
    ConsortiumFile,
    IdentityFile,
    print_json,
    read_view,
)
from federation.cli.outcome import FAILED, UsageError
from federation.cli.reporting import note, print_now, reported, say
from federation.errors import ConfigError

if TYPE_CHECKING:
    from federation.consortium.folders import Folders

site = typer.Typer(help="Run a site's node.", no_args_is_help=True)
dealer = typer.Typer(help="Run the dealer.", no_args_is_help=True)
aggregator = typer.Typer(help="Run the aggregator of encrypted updates.", no_args_is_help=True)
keyholder = typer.Typer(help="Run the key holder, which decrypts sums.", no_args_is_help=True)


@reported("init")
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the consortium.")],
    sites: Annotated[
        list[str],
        typer.Option(
            "--site",
            help="NAME=FILE, once for each site; FILE#TABLE for a table in a database, and NAME=ADDRESS#SCHEMA.TABLE for one in "
            "a server.",
        ),
    ],
    table: Annotated[str, typer.Option("--table", help="Name of the table in SQL.")] = "patients",
    without_dealer: Annotated[
        bool,
        typer.Option(
            "--without-dealer", help="The first three sites compute; any two of them could read the shares."
        ),
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="How files are written: KEY=VALUE for all sites, SITE.KEY=VALUE for one. Keys: delimiter (also: tab, "
            "semicolon), quote, encoding, decimal, harmonise (a mapping), view_definition (of FHIR resources); of a "
            "server: engine, password_file, password_env, source_version; and, given once a word: missing, yes, no, dates.",
        ),
    ] = None,
    views: Annotated[
        list[str] | None,
        typer.Option("--view", help="FILE, or SITE=FILE: a SELECT over the table source, before the guess."),
    ] = None,
) -> None:
    """Rehearse on this machine alone: all members' keys, a schema to edit, policies; see also found."""
    from federation.setup.infer_schema import init_consortium
    from federation.setup.site_rows import read_settings

    files: dict[str, Path | str] = {}
    for text in sites:
        name, _, path = text.partition("=")
        if not name or not path or name in files:
            raise UsageError(reason=f"--site takes NAME=FILE with different names, not {text!r}")
        files[name] = path
    places = init_consortium(
        folder,
        sites=files,
        table=table,
        has_dealer=not without_dealer,
        tell=say,
        settings=read_settings(formats or [], list(files)),
        views=_read_views(views or [], list(files)),
    )
    note(files=places.consortium)
    say(f"made {places.consortium}: a rehearsal, with every member's key on this one machine;")
    say("over several machines each member makes its own key: crossward found, crossward join")
    say("Next: read it, correct the guessed columns and remove their guessed = true,")
    say("correct the keys that the line guessed = [...] names and delete that line;")
    say(f"then crossward up {folder}")


def _read_views(texts: list[str], sites: list[str]) -> dict[str, str]:
    """Read the files of --view; one without a site is for all sites that have none of their own."""
    common: dict[str, str] = {}
    own: dict[str, str] = {}
    for text in texts:
        site, is_given, path = text.partition("=")
        named = is_given and site in sites
        view = read_view(text, path=path if named else None)
        if named:
            own[site] = view
        else:
            common = dict.fromkeys(sites, view)
    return common | own


@reported("up")
def up(
    folder: Annotated[Path, typer.Argument(help="The consortium's folder.")],
    detach: Annotated[bool, typer.Option("--detach", help="Leave the nodes running.")] = False,
) -> None:
    """Start every node of a folder."""
    from federation.consortium.folders import Folders
    from federation.processes.launcher import Launcher

    folders = Folders(root=folder.resolve())
    _warn_of_guesses(folders)
    _say_corrections(folders)
    nodes = Launcher(folders, detach=detach)
    note(nodes=dict(nodes.pids))
    for name, pid in sorted(nodes.pids.items()):
        say(f"{name} runs as process {pid}")
    if detach:
        say(f"stop them with crossward down {folder}")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say("Ctrl-C stops them")
    print_now()
    try:
        while not stop.wait(0.5) and nodes.is_running:
            pass
        if nodes.failed:
            raise ConfigError(mistakes=[f"the nodes ended by themselves; {folders.logs} says why"])
    finally:
        nodes.stop()


def _warn_of_guesses(folders: Folders) -> None:
    """Warn of what no person has confirmed: until then nothing is answered."""
    from federation.consortium.consortium_file import load_consortium
    from federation.diagnostics.checks import guessed_columns

    if not folders.consortium.is_file():
        return
    for finding in guessed_columns(load_consortium(folders.consortium)):
        typer.echo(f"{finding.what}: {finding.text}; the first charge fixes the agreement", err=True)


def _say_corrections(folders: Folders) -> None:
    """Show what was corrected since the last start, before any node starts; refuse where a charge binds a site."""
    from federation.consortium.site_file import load_site
    from federation.node.ledger.correction import find_correction

    said: dict[str, None] = {}
    for path in sorted(folders.root.glob("sites/*/site.toml")):
        step = find_correction(load_site(path))
        if step is not None and step.bound:
            raise step.error()
        if step is not None:
            said |= dict.fromkeys(step.changes or ("this machine has no copy of the earlier one",))
    if said:
        say("the consortium file was corrected before the first charge; the sites begin a new ledger")
        say("and keep the earlier one beside it:")
    for line in said:
        say(f"  {line}")


@reported("down")
def down(folder: Annotated[Path, typer.Argument(help="The consortium's folder.")]) -> None:
    """Stop every node of a folder."""
    from federation.consortium.folders import Folders
    from federation.processes.stop import stop_nodes

    folders = Folders(root=folder.resolve())
    if not folders.consortium.is_file() and not folders.pids.is_dir():
        raise ConfigError(mistakes=[f"{folders.root} holds no consortium, so no node of one runs there"])
    ran = stop_nodes(folders)
    note(stopped=bool(ran))
    say("stopped" if ran else "no node runs there")


@site.command("serve")
@reported("site serve")
def site_serve(path: Annotated[Path, typer.Argument(help="The site file.")]) -> None:
    """Run one site until Ctrl-C."""
    from federation.node.site_process import serve_site

    serve_site(path, _stop_on_signals(), _say_ready)


@dealer.command("serve")
@reported("dealer serve")
def dealer_serve(path: Annotated[Path, typer.Argument(help="The dealer's file.")]) -> None:
    """Run the dealer until Ctrl-C."""
    _serve_helper("dealer", path)


@aggregator.command("serve")
@reported("aggregator serve")
def aggregator_serve(path: Annotated[Path, typer.Argument(help="The aggregator's file.")]) -> None:
    """Run the aggregator until Ctrl-C."""
    _serve_helper("aggregator", path)


@keyholder.command("serve")
@reported("keyholder serve")
def keyholder_serve(
    path: Annotated[
        Path, typer.Argument(help="The key holder's file; the private Paillier key lies beside its identity.")
    ],
) -> None:
    """Run the key holder until Ctrl-C."""
    _serve_helper("keyholder", path)


def _serve_helper(role: str, path: Path) -> None:
    from federation.consortium.helper_file import load_helper
    from federation.node.site_process import serve_helper

    files = load_helper(path)
    serve_helper(role, files.consortium, files.identity, _stop_on_signals(), _say_ready, files.listen)


def _say_ready() -> None:
    note(ready=True)
    say("ready")
    print_now()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def doctor(
    consortium: ConsortiumFile,
    identity: IdentityFile = None,
    site_file: Annotated[
        Path | None,
        typer.Option(
            "--site",
            help="Also check this site's file, key and data; where no analyst's key is here, its key asks the nodes.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check files, keys, clocks, versions, ledgers and connections; show what to fix. Needs no analyst."""
    from federation.client.connect import session_of
    from federation.consortium.consortium_file import load_consortium
    from federation.diagnostics.checks import examine_files, examine_nodes
    from federation.diagnostics.finding import Finding
    from federation.identity.certificates import Identity

    who = _who_asks(consortium, identity, site_file)
    findings: list[Finding] = examine_files(consortium, site_file, who)
    if who is None:
        text = "not asked: a certificate is needed; name one with --identity, or your site with --site"
        findings.append(Finding(what="nodes", is_good=True, text=text))
    elif not any(finding.is_fatal for finding in findings):
        with session_of(load_consortium(consortium), Identity.load(who)) as session:
            findings += examine_nodes(session)
    findings = list(dict.fromkeys(findings))  # a site that asks has its own certificate checked once
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        for finding in findings:
            typer.echo(finding.line())
    if any(not finding.is_good for finding in findings):
        raise typer.Exit(FAILED)


def _who_asks(consortium: Path, identity: Path | None, site_file: Path | None) -> Path | None:
    """Return the certificate that asks the nodes: the one given, the only analyst's here, or the site's own."""
    from federation.client.connect import only_identity
    from federation.consortium.site_file import load_site

    if identity is not None:
        return identity
    try:
        return only_identity(consortium)
    except InvalidRequestError:
        pass
    try:
        return None if site_file is None else load_site(site_file).identity
    except ConfigError:
        return None  # the checks of the files report every mistake
