"""The command ``crossward dashboard``.

Layer:       federation.cli.dashboard; the web stack is imported when the command runs.
Guarantees:  an identity with which no site would answer (expired, of another authority, not or no longer in the
             agreement) is refused before a page is shown.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import Annotated

import typer

from federation.cli.options import ConsortiumFile, IdentityFile, open_session
from federation.cli.outcome import UsageError
from federation.errors import ConfigError


def dashboard(
    consortium: ConsortiumFile,
    identity: IdentityFile = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=1024,
            max=65535,
            help="Of the loopback address; default: 8431, or the next free one.",
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", help="Show this ledger too: a site's file on this machine, or an export."),
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site",
            help="For a site's administrator: show this site's ledger, refusals and score card; its file or folder.",
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="Write what an interrupted training needs into this folder."),
    ] = None,
) -> None:
    """Open a local page: ask, see prices before paying, watch budget, ledger and trainings."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError(reason="the dashboard needs its extra: pip install 'crossward[dashboard]'")
    from federation.client.connect import only_identity
    from federation.consortium.consortium_file import load_consortium
    from federation.dashboard.opening import state_for
    from federation.dashboard.server import serve, take_port
    from federation.diagnostics.checks import examine_identity

    with open_session(consortium, identity) as session:
        path = only_identity(consortium) if identity is None else identity
        found = examine_identity(path, load_consortium(consortium))
        if found.is_fatal:
            raise ConfigError(mistakes=[f"{found.what}: {found.text}"])
        if not found.is_good:
            typer.echo(f"{found.what}: {found.text}", err=True)
        state = state_for(session, ledger=ledger, site=site, checkpoints=checkpoints)
        with take_port(port) as listening:
            serve(state, listening, _say, stopped=lambda: _say_running(state.running()))


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def _say_running(titles: list[str]) -> None:
    for title in titles:
        typer.echo(
            f"a training was still running: {title}; the rounds that were charged stay spent", err=True
        )
