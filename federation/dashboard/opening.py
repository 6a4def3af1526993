"""Puts together what a dashboard holds, from the options of its command.

Layer:       federation.dashboard.opening, above state.
Guarantees:  a folder or file that cannot be used is refused before a page is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.consortium.site_file import load_site
from federation.dashboard.ledger_view import LedgerView
from federation.dashboard.state import DashboardState
from federation.dashboard.training_jobs import TrainingJobs
from federation.errors import ConfigError
from federation.node.ledger.storage import is_in_postgres, ledger_file

if TYPE_CHECKING:
    from pathlib import Path

    from federation.client.session import Session


def state_for(
    session: Session,
    *,
    ledger: Path | None = None,
    site: Path | None = None,
    checkpoints: Path | None = None,
) -> DashboardState:
    """Return the state of a dashboard.

    Args:
        session: open; the caller closes it.
        ledger: a ledger file to show.
        site: a site's own file or folder, for its administrator.
        checkpoints: folder for what interrupted trainings need.

    Raises:
        ConfigError: a path cannot be used.
    """
    if ledger is not None and not ledger.is_file():
        raise ConfigError(mistakes=[f"cannot read {ledger}: there is no such file"])
    if site is not None and ledger is None:
        config = load_site(site)
        if not is_in_postgres(config) and ledger_file(config).is_file():
            ledger = ledger_file(config)
    if checkpoints is not None:
        try:
            checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot make {checkpoints}: {error.strerror}"]) from error
    view = None if ledger is None else LedgerView(ledger, session.consortium)
    if view is not None:
        view.look(0.0)
    return DashboardState(session, ledger=view, site=site, jobs=TrainingJobs(session, checkpoints))
