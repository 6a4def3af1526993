"""Checks of a consortium, with what to fix: files, keys, clocks, versions, ledgers, connections.

Layer:       federation.diagnostics.checks, above client.
Guarantees:  reports all findings at once. Counts of a site's own data appear only where its own file was given, for
             its own administrator (P19 i).
See instead: printing (``federation.cli``).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from federation.consortium.admission.approvals import SOON_DAYS
from federation.consortium.consortium_file import consortium_path, load_consortium
from federation.consortium.genesis import genesis_body
from federation.consortium.site_file import load_site
from federation.diagnostics.finding import Finding
from federation.errors import ConfigError, SiteUnavailableError
from federation.identity.certificates import Identity, is_pinned
from federation.node.clock import installed_version
from federation.protocol.messages import Health
from federation.requests.trust import trust_model_of_products
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.replication.entry_validation import CLOCK_SKEW_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from federation.client.session import Session
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import SiteConfig

SOON: Final = timedelta(days=SOON_DAYS)


def examine_files(
    consortium: Path, site_file: Path | None = None, identity: Path | None = None
) -> list[Finding]:
    """Check the files of this machine.

    Args:
        consortium: the consortium file, or its folder.
        site_file: a site's own file, for its administrator.
        identity: certificate and key of the person who asks.

    Returns:
        Findings.
    """
    consortium = consortium_path(consortium)
    try:
        agreement = load_consortium(consortium)
        genesis_body(agreement)
    except ConfigError as error:
        return [
            Finding(what=consortium.name, is_good=False, text=text, is_fatal=True) for text in error.mistakes
        ]
    found = [
        Finding(what=consortium.name, is_good=True, text=f"configuration {agreement.configuration()[:16]}")
    ]
    secrecy = trust_model_of_products(agreement)
    found.append(Finding(what="comparisons and products", is_good=True, text=secrecy.text))
    found += guessed_columns(agreement)
    if identity is not None:
        found.append(examine_identity(identity, agreement))
    if site_file is not None:
        found += _examine_site(site_file)
    return found


def examine_identity(path: Path, agreement: Consortium, *, now: datetime | None = None) -> Finding:
    """Check one certificate and its key.

    Args:
        path: the identity file.
        agreement: supplies authority and roster.
        now: the present, unless another time is meant.

    Returns:
        A finding; fatal where no connection can be made with it.
    """
    try:
        identity = Identity.load(path)
    except ConfigError as error:
        return Finding(what=path.name, is_good=False, text="; ".join(error.mistakes), is_fatal=True)
    what = f"certificate of {identity.role} {identity.name}"
    left = identity.valid_until - (now or datetime.now(UTC))
    if not is_pinned(identity, agreement):
        text = "it is not the one in the consortium file; issue and pin a new one"
    elif not identity.is_issued_by(agreement.authority_pem):
        text = "it was not issued by the consortium's authority; issue and pin a new one"
    elif left <= timedelta():
        text = f"it ended on {identity.valid_until:%Y-%m-%d}; issue and pin a new one"
    elif left < SOON:
        text = f"it ends in {left.days} days; renew it before: crossward renew, docs/several-machines.md says how"
        return Finding(what=what, is_good=False, text=text)
    else:
        return Finding(what=what, is_good=True, text=f"valid until {identity.valid_until:%Y-%m-%d}")
    return Finding(what=what, is_good=False, text=text, is_fatal=True)


def guessed_columns(agreement: Consortium) -> list[Finding]:
    """Report each table with inferred columns or keys that no person has confirmed.

    Args:
        agreement: whose schema.

    Returns:
        Findings that are not good.
    """
    found = []
    for name, table in agreement.schema.tables.items():
        columns = [column.name for column in table.columns.values() if column.guessed]
        if columns:
            text = f"guessed: {', '.join(columns)}; correct them, then remove guessed = true: else nothing private"
            found.append(Finding(what=f"schema of {name}", is_good=False, text=text))
        if table.open_guess:
            text = f"{table.open_guess}: until then nothing is answered"
            found.append(Finding(what=f"schema of {name}", is_good=False, text=text))
    return found


def _examine_site(path: Path) -> list[Finding]:
    from federation.diagnostics.site_data import examine_data
    from federation.node.ledger.present_members import members_here

    try:
        config = load_site(path)
    except ConfigError as error:
        return [Finding(what=path.name, is_good=False, text=text) for text in error.mistakes]
    found = [examine_identity(config.identity, config.among(members_here(config).changes))]
    found.append(_examine_ledger(config))
    found += _examine_correction(config)
    return found + examine_data(config)


def _examine_ledger(config: SiteConfig) -> Finding:
    """Check a site's ledger beside its node: reachable, this site's, append-only."""
    from federation.node.ledger.storage import describe_ledger, is_in_postgres, ledger_file, read_ledger

    what = f"ledger in {describe_ledger(config)}"
    if not is_in_postgres(config) and not ledger_file(config).exists():
        return Finding(what=what, is_good=True, text="made at the first start")
    try:
        store = read_ledger(config)
    except AccountingError as error:
        return Finding(what=what, is_good=False, text=str(error))
    except ConfigError as error:
        return Finding(what=what, is_good=False, text="; ".join(error.mistakes))
    try:
        missing = store.guards_missing()
        if missing:
            text = f"it lacks append-only triggers ({', '.join(missing)}): it was altered; restore it from a backup"
            return Finding(what=what, is_good=False, text=text)
        text = f"entries {store.first()} to {store.height() - 1}"
        return Finding(what=what, is_good=True, text=text if store.height() else "empty")
    except AccountingError as error:
        return Finding(what=what, is_good=False, text=str(error))
    finally:
        store.close()


def _examine_correction(config: SiteConfig) -> list[Finding]:
    """Say what a corrected consortium file does at the next start, and whether this site has signed another one."""
    from federation.node.ledger.correction import find_correction

    found = []
    if config.signed_correction.exists():
        text = "signed here, and this site has not begun with it: its node signs no charge; begin, or sign --withdraw"
        found.append(Finding(what="correction of the agreement", is_good=False, text=text))
    try:
        step = find_correction(config)
    except (AccountingError, ConfigError):  # the check of the ledger names it
        return found
    if step is None:
        return found
    what = "ledger of an earlier consortium file"
    if step.bound:
        return [*found, Finding(what=what, is_good=False, text=step.error().reason)]
    text = "; ".join(("the next start begins the ledger of the corrected consortium file", *step.changes))
    return [*found, Finding(what=what, is_good=True, text=text)]


def examine_nodes(session: Session) -> list[Finding]:
    """Check every node.

    Args:
        session: an analyst's, or one with a node's own certificate, which cannot ask that node itself.

    Returns:
        Findings about nodes, clocks, versions, ledgers and connections.
    """
    answers = session.health()
    found: list[Finding] = []
    healthy: dict[str, Health] = {}
    silent: dict[str, Exception] = {}
    for name, health in answers.items():
        if isinstance(health, Health):
            healthy[name] = health
            found.append(_node(health, session.consortium.configuration()))
        else:
            silent[name] = health
    if session.analyst in silent:
        found += _own(session.analyst, healthy, silent)
    left_out = _left_out(session) if silent and healthy else ()
    found += _silent(silent, left_out)
    found += [_clock(health) for health in healthy.values()]
    found += _connections(healthy, left_out)
    found.append(_ledgers(healthy))
    return found


def _own(name: str, healthy: Mapping[str, Health], silent: dict[str, Exception]) -> list[Finding]:
    """Say what the other nodes hear of the node whose certificate asks; it answers no call of its own."""
    heard = [other for other, health in healthy.items() if health.hears.get(name)]
    if not heard:
        return []
    del silent[name]
    return [Finding(what=f"node {name}", is_good=True, text=f"{', '.join(sorted(heard))} hear it")]


def _left_out(session: Session) -> tuple[str, ...]:
    try:
        return session.left_out()
    except SiteUnavailableError:  # helpers answer, and no site
        return ()


def _silent(errors: dict[str, Exception], left_out: Sequence[str]) -> list[Finding]:
    found = []
    for name, error in errors.items():
        if name in left_out:
            found.append(Finding(what=f"node {name}", is_good=True, text="removed from the consortium"))
        else:
            text = f"{error}; start it, and check its address in the consortium file"
            found.append(Finding(what=f"node {name}", is_good=False, text=text))
    return found


def _node(health: Health, configuration: str) -> Finding:
    what = f"node {health.name}"
    if health.configuration != configuration:
        return Finding(
            what=what,
            is_good=False,
            text="it runs with another consortium file; give all nodes the same file",
        )
    if not health.is_ready:
        return Finding(what=what, is_good=False, text=f"not ready: {health.reason}")
    if health.version != installed_version():
        return Finding(
            what=what,
            is_good=False,
            text=f"it runs version {health.version}, this machine {installed_version()}",
        )
    engine = f", computes with {health.engine}" if health.engine else ""
    return Finding(what=what, is_good=True, text=f"{health.role}, version {health.version}{engine}")


def _clock(health: Health) -> Finding:
    skew = abs(health.clock_s - int(time.time()))
    is_good = skew <= CLOCK_SKEW_S // 2
    text = f"{skew} s from this machine's" + (
        "" if is_good else f"; beyond {CLOCK_SKEW_S} s sites sign nothing: set it"
    )
    return Finding(what=f"clock of {health.name}", is_good=is_good, text=text)


def _connections(healthy: dict[str, Health], left_out: Sequence[str]) -> list[Finding]:
    deaf = [
        Finding(
            what=f"connection {name} to {other}",
            is_good=False,
            text="no heartbeat; check addresses and firewalls between the two",
        )
        for name, health in healthy.items()
        for other, is_heard in sorted(health.hears.items())
        if not is_heard and other not in left_out
    ]
    if deaf:
        return deaf
    pairs = sum(len(set(health.hears).difference(left_out)) for health in healthy.values())
    return [Finding(what="connections", is_good=True, text=f"all {pairs} directions hear each other")]


def _ledgers(healthy: dict[str, Health]) -> Finding:
    heads = {name: (h.ledger_number, h.ledger_head) for name, h in healthy.items() if h.role == "site"}
    if not heads:
        return Finding(what="ledgers", is_good=False, text="no site answers")
    by_number: dict[int, dict[str, list[str]]] = {}
    for name, (number, head) in sorted(heads.items()):
        by_number.setdefault(number, {}).setdefault(head, []).append(name)
    for number, same in by_number.items():
        if len(same) > 1:
            sides = " and ".join(", ".join(names) for names in same.values())
            text = f"{sides} hold different entries {number}: nothing runs. Compare them with crossward audit verify"
            return Finding(what="ledgers", is_good=False, text=text)
    most = max(by_number)
    behind = [name for name, (number, _) in sorted(heads.items()) if number < most]
    if behind:
        text = f"{', '.join(behind)} lacks entries and catches up at the next charge; if not, restart it"
        return Finding(what="ledgers", is_good=True, text=text)
    return Finding(
        what="ledgers", is_good=True, text=f"equal, {most + 1} {'entries' if most else 'entry'} each"
    )
