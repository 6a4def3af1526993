"""Opens a session with a running consortium, over mutual TLS.

Layer:       federation.client.connect, above session.
See instead: consortia inside one process (``federation.local``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from federation.client.kept.answer_store import carry_answers, take_carried_answers
from federation.client.session import Session
from federation.consortium.consortium_file import (
    Consortium,
    consortium_path,
    load_consortium,
    with_members,
)
from federation.consortium.members_file import MEMBERS_FILE, keep_members, load_members
from federation.errors import ConfigError
from federation.identity.next_identity import exchange_identity
from federation.network.delay import distance_s
from federation.network.tls import TlsNetwork

if TYPE_CHECKING:
    from federation.identity.certificates import Identity

CALLERS = ("analyst", "auditor")


def connect(consortium: str | Path, *, identity: str | Path | None = None) -> Session:
    """Open a session as an analyst, or as an auditor, whose questions every node refuses.

    Args:
        consortium: the consortium file, or the folder that holds ``consortium.toml``.
        identity: the analyst's or auditor's certificate and key, one PEM; default: the only one in ``analysts/`` beside the file.

    Returns:
        An open session; close it, or use it in a ``with`` statement. Where the sites have changed members or the agreement
        since, it is under the agreement in force: a site is asked for the entries, every signature is checked, and
        ``members.json`` is written beside the consortium file. Where no site answers, it is under the files alone.

    Raises:
        ConfigError: with every mistake in the files, or when the identity is that of a node; or a site sent entries that
            not all sites have signed.
        InvalidRequestError: no identity is given, and there is not exactly one beside the file.
    """
    session = session_of(*caller_of(consortium, identity))
    try:
        is_newer = fetch_changes(Path(consortium), session.changes_elsewhere())
    except BaseException:
        session.close()
        raise
    if not is_newer:
        return session
    session.close()
    return session_of(*caller_of(consortium, identity))


def fetch_changes(consortium: Path, data: bytes) -> bool:
    """Keep the entries of a site beside a consortium file, once all signatures are checked.

    Args:
        consortium: the consortium file, or its folder.
        data: a members file, as a site sent it.

    Returns:
        Whether they were newer than those at hand; an older state is left as it is.

    Raises:
        ConfigError: an entry is not signed by all sites, brings what cannot be, or is not of this consortium; or the file
            cannot be written.
    """
    path = consortium_path(consortium).with_name(MEMBERS_FILE)
    if len(data) <= len(load_members(path)):
        return False
    with_members(load_consortium(consortium).as_founded(), data)
    keep_members(path, data, by=str(os.getpid()))
    return True


def caller_of(consortium: str | Path, identity: str | Path | None) -> tuple[Consortium, Identity]:
    """Read a consortium file, and the identity of an analyst or auditor; arguments and errors as ``connect``."""
    agreement = load_consortium(Path(consortium))
    path = only_identity(Path(consortium)) if identity is None else Path(identity)
    who, _ = exchange_identity(path, agreement.roles().keys, carry=carry_answers)
    take_carried_answers(path)
    if who.role not in CALLERS:
        raise ConfigError(mistakes=[f"{who.name} is a node ({who.role}); only analysts may ask questions"])
    return agreement, who


def only_identity(consortium: Path) -> Path:
    """Find the one identity in ``analysts/`` beside a consortium file.

    Raises:
        ConfigError: there is no such consortium file.
        InvalidRequestError: there is no identity, or more than one.
    """
    file = consortium_path(consortium)
    if not file.is_file():
        raise ConfigError(mistakes=[f"cannot read {file}: there is no such file"])
    beside = (file.resolve().parent / "analysts").glob("*.pem")
    found = sorted(
        path for path in beside if "." not in path.stem
    )  # those with a point are earlier or next ones
    if len(found) != 1:
        reason = f"must be given: there are {len(found)} identities in analysts/ beside {file.name}"
        raise InvalidRequestError(parameter="identity", reason=reason)
    return found[0]


def session_of(agreement: Consortium, who: Identity) -> Session:
    """Open a session as any member; nodes answer questions of analysts alone, and checks of health to all."""
    return Session(
        consortium=agreement,
        identity=who,
        network=network_of(agreement, who),
    )


def network_of(agreement: Consortium, who: Identity) -> TlsNetwork:
    """Open the network of a member that only asks; close it after use."""
    return TlsNetwork(consortium=agreement, identity=who, delay_s=distance_s(), asks_only=True)
