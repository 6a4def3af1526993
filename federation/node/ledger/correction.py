"""A corrected agreement before the first charge: the ledger of the earlier one is put aside, and kept.

Layer:       federation.node.ledger.correction, above storage. Used while the site's node is stopped.
Terms:       a site keeps a *copy* of each agreement under which its node was started, named after its digest, in the folder
             ``agreements`` of its state.
Guarantees:  a ledger that holds anything but its genesis entry and snapshots is never put aside, nor one with a
             signature whose outcome is open; the error says how the earlier agreement is restored. No ledger and no copy
             is deleted. Each step can be run again.
See instead: what binds a site (``privacy_accounting.ledger.storage.uncharged``), the new ledger's first entry, which all
             sites sign (``federation.consortium.genesis``).
"""

from __future__ import annotations

import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from federation.consortium.amending.agreement_changes import changes
from federation.consortium.consortium_file import consortium_from_dict, consortium_path
from federation.errors import ConfigError
from federation.node.ledger.storage import (
    conninfo,
    is_in_postgres,
    ledger_file,
    open_ledger,
    read_ledger,
    schema_of,
)
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.set_aside import set_aside_file
from privacy_accounting.ledger.storage.uncharged import chain_of, what_binds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.storage.store import Store

COPIES: Final = "agreements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The step from the agreement of a site's ledger to the one in its file.

    Attributes:
        chain: of the ledger, hexadecimal.
        bound: what forbids the step; empty where nothing does.
        changes: the difference in words; empty where this site has no copy of the earlier agreement.
        copy: the earlier agreement's consortium file; None where this site has no copy.
    """

    chain: str
    bound: str
    changes: tuple[str, ...]
    copy: Path | None

    def error(self) -> LedgerRefusedError:
        """Build the error for a step that something forbids."""
        back = (
            f"put the earlier file back, a copy is {self.copy}"
            if self.copy is not None
            else "put the earlier file back"
        )
        said = f" ({'; '.join(self.changes)})" if self.changes else ""
        return LedgerRefusedError(
            reason=f"the consortium file was changed{said}, but this site is bound to the earlier one, for {self.bound}: "
            f"after that the agreement changes by amendments alone; {back}"
        )


def find_correction(config: SiteConfig) -> Correction | None:
    """Compare a site's ledger with its consortium file; the node may run.

    Args:
        config: the site's configuration.

    Returns:
        The step that the next start would make; None where the ledger is this agreement's, or there is none.

    Raises:
        LedgerRefusedError: the ledger cannot be read.
    """
    store = _read_existing(config)
    if store is None:
        return None
    try:
        chain = chain_of(store)
        if chain in {"", config.consortium.digest()}:
            return None
        bound = what_binds(store)
    finally:
        store.close()
    copy = _copy(config, chain)
    earlier = _read(copy, chain)
    said = () if earlier is None else tuple(changes(earlier, config.consortium))
    return Correction(chain=chain, bound=bound, changes=said, copy=copy if copy.exists() else None)


def put_aside(config: SiteConfig) -> tuple[Correction, str] | None:
    """Put the ledger of an earlier agreement aside where nothing binds the site; the node is stopped.

    Args:
        config: the site's configuration.

    Returns:
        The step and where the earlier ledger is kept; None where there was nothing to do.

    Raises:
        LedgerRefusedError: the ledger binds this site, is in use, or cannot be renamed.
    """
    found = find_correction(config)
    if found is None:
        return None
    if found.bound:
        raise found.error()
    if not is_in_postgres(config):
        return found, str(set_aside_file(ledger_file(config), found.chain))
    from privacy_accounting.ledger.storage.postgres import PostgresStore

    store = PostgresStore(conninfo(config), owner=config.file.site, schema=schema_of(config))
    bound = what_binds(store)  # again, now that no other process can write
    if bound:
        store.close()
        raise LedgerRefusedError(reason=bound)
    return found, f"schema {store.put_aside(found.chain)}"


def what_binds_site(config: SiteConfig) -> str:
    """Return what binds a site to its agreement; empty where nothing does; the node may run.

    Args:
        config: the site's configuration under the agreement in force.

    Raises:
        LedgerRefusedError: the ledger cannot be read.
    """
    store = _read_existing(config)
    if store is None:
        return ""
    try:
        return what_binds(store)
    finally:
        store.close()


@contextmanager
def unbound(config: SiteConfig) -> Iterator[None]:
    """Keep the node from writing the ledger, after a check that nothing binds the site to its agreement.

    Args:
        config: the site's configuration under the agreement in force.

    Raises:
        LedgerRefusedError: something binds it, or the node runs.
    """
    store = open_ledger(config)
    try:
        bound = what_binds(store)
        if bound:
            raise LedgerRefusedError(reason=bound)
        yield
    finally:
        store.close()


def _read_existing(config: SiteConfig) -> Store | None:
    """Open a ledger to read; None where the site has none yet."""
    if not is_in_postgres(config):
        return read_ledger(config) if ledger_file(config).exists() else None
    try:
        return read_ledger(config)
    except LedgerRefusedError:
        return None  # no schema yet; any other fault shows when the node opens it


def keep_copy(config: SiteConfig, path: Path) -> None:
    """Keep a copy of the agreement under which the node is started now.

    Args:
        config: the site's configuration.
        path: the site file.

    Raises:
        ConfigError: the copy cannot be written.
    """
    target = _copy(config, config.consortium.digest())
    if target.exists():
        return
    source = consortium_path(path.parent / config.file.consortium)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = source.read_bytes()
        authority = target.with_suffix(".pem")
        authority.write_bytes(config.consortium.authority_pem)
        partial = target.with_suffix(".partial")
        partial.write_bytes(text)
        partial.replace(target)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {target}: {error.strerror}"]) from error


def _copy(config: SiteConfig, chain: str) -> Path:
    return config.state / COPIES / f"{chain[:16]}.toml"


def _read(copy: Path, chain: str) -> Consortium | None:
    """Read a copy; None where there is none, or it can no longer be read: it serves words alone."""
    try:
        document = tomllib.loads(copy.read_text("utf-8"), parse_float=Decimal)
        found = consortium_from_dict(document, authority_pem=copy.with_suffix(".pem").read_bytes())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ConfigError):
        return None
    return found if found.digest() == chain else None
