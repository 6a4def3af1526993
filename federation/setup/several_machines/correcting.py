"""Correcting an agreement that has begun, before anything was charged: all sites sign again, in place of the first draft.

Layer:       federation.setup.several_machines.correcting, above joining; below founding and signing.
Terms:       a site that has signed a correction is *quiet*: a file in its state says so, and its node signs no charge until
             the site begins with the correction or withdraws.
Guarantees:  a site becomes quiet only while its node is stopped and nothing binds it. So once all sites have signed,
             nothing was charged and nothing can be, and each site can begin: the correction holds at all sites or at
             none. The agreement that it replaces is kept.
See instead: what binds a site, and how its ledger is put aside (``federation.node.ledger.correction``).
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from federation.consortium.admission.approvals import Agreement, Draft
from federation.consortium.amending.agreement_changes import changes
from federation.consortium.consortium_file import load_consortium
from federation.consortium.file_format.file_reading import read_toml, validated
from federation.consortium.site_file import SiteConfig, SiteFile
from federation.errors import ConfigError, FoundingRefusedError
from federation.node.ledger.correction import unbound, what_binds_site
from federation.setup.several_machines.joining import SITE_FILE, MemberFolder
from federation.setup.several_machines.whole_files import put
from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


def is_correction(member: MemberFolder, draft: Draft) -> bool:
    """Whether a member that has begun would begin anew with this draft."""
    return member.consortium.exists() and member.consortium.read_text("utf-8") != draft.text


def check_open(folder: Path) -> None:
    """Check at a site that the agreement can still be corrected; the node may run.

    Args:
        folder: the site's.

    Raises:
        FoundingRefusedError: the consortium has begun, and something binds this site to its agreement.
    """
    config = in_force_at(folder)
    bound = "" if config is None else what_binds_site(config)
    if bound:
        raise _bound(folder, bound)


def difference(folder: Path, draft: Draft) -> list[str]:
    """Describe how a draft differs from the agreement in force; nothing where none is.

    Args:
        folder: the member's.
        draft: the other agreement.

    Raises:
        ConfigError: the agreement in force cannot be read.
    """
    member = MemberFolder(root=folder)
    if not is_correction(member, draft):
        return []
    return changes(load_consortium(member.consortium), draft.consortium())


def become_quiet(folder: Path, draft: Draft) -> None:
    """Keep this site's node from charging, before its signature under a correction is written.

    Args:
        folder: the site's.
        draft: the correction.

    Raises:
        FoundingRefusedError: something binds this site, or its node runs.
    """
    config = in_force_at(folder)
    if config is None:
        return
    with _unbound(folder, config):
        put(config.signed_correction, f"{draft.digest}\n".encode())


def withdraw(folder: Path) -> bool:
    """Go back to the agreement in force; return whether a correction was signed here.

    Another site may hold this site's signature already and begin; then this site begins too, or nothing is answered.

    Args:
        folder: the site's.

    Raises:
        FoundingRefusedError: the consortium has not begun.
        ConfigError: a file cannot be written.
    """
    member = MemberFolder(root=folder)
    config = in_force_at(folder)
    if config is None:
        raise FoundingRefusedError(reason=f"{folder} has not begun, so there is no agreement to go back to")
    if not config.signed_correction.exists():
        return False
    agreement = Agreement.from_bytes(member.agreement.read_bytes())
    if is_correction(member, agreement.draft):
        raise FoundingRefusedError(
            reason=f"{folder} was stopped while it began with the correction: run crossward begin again"
        )
    put(member.draft, agreement.draft.to_bytes())
    config.signed_correction.unlink(missing_ok=True)
    return True


@contextmanager
def in_place_of(folder: Path, draft: Draft) -> Iterator[None]:
    """Begin with a correction inside this context, while the node is stopped; the earlier agreement is kept.

    Args:
        folder: the member's.
        draft: the correction; where it is none, nothing is done.

    Raises:
        FoundingRefusedError: something binds this site, or its node runs.
    """
    member = MemberFolder(root=folder)
    config = in_force_at(folder)
    if not is_correction(member, draft):
        yield
    else:
        locked: AbstractContextManager[None] = nullcontext() if config is None else _unbound(folder, config)
        with locked:
            _keep(member)
            yield
    if config is not None:
        config.signed_correction.unlink(missing_ok=True)


def _keep(member: MemberFolder) -> None:
    earlier = member.agreement.read_bytes()
    agreement = Agreement.from_bytes(earlier)
    if not is_correction(member, agreement.draft):  # else an interrupted beginning has kept it already
        put(member.agreement.with_name(f"agreement-{agreement.draft.digest[:16]}.json"), earlier)


def in_force_at(folder: Path) -> SiteConfig | None:
    """Read a site's configuration under the agreement in force; its tables may fit another one already.

    Returns:
        None for a member that has not begun, or is no site.

    Raises:
        ConfigError: the files hold mistakes.
    """
    member = MemberFolder(root=folder)
    if not member.consortium.exists() or member.load_invitation().role != "site":
        return None
    mistakes: list[str] = []
    file = validated(SiteFile, read_toml(folder / SITE_FILE), SITE_FILE, mistakes)
    if file is None:
        raise ConfigError(mistakes=mistakes)
    return SiteConfig(file=file, folder=folder, consortium=load_consortium(member.consortium))


@contextmanager
def _unbound(folder: Path, config: SiteConfig) -> Iterator[None]:
    try:
        with unbound(config):
            yield
    except LedgerRefusedError as error:
        if "in use" in error.reason:
            raise FoundingRefusedError(
                reason=f"the node of {config.file.site} runs: stop it first, so that nothing is charged meanwhile"
            ) from error
        raise _bound(folder, error.reason) from error


def _bound(folder: Path, bound: str) -> FoundingRefusedError:
    return FoundingRefusedError(
        reason=f"the consortium of {folder} has begun and cannot be corrected, for {bound}: its agreement changes by amendments "
        "(crossward ledger propose)"
    )
