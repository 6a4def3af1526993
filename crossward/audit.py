"""Checks of ledger files, and what was asked: ``verify``, ``recompute``, ``statement``, ``report``, ``refusals``, ``price``.

They need files alone, no site and no key; ``fetch_texts`` asks the sites, as an auditor.

Layer:       crossward.audit, above ``privacy_accounting`` and ``federation.audit``.
See instead: the same on the command line (``crossward audit``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from federation.audit import copy_texts, fetch_texts, refusals, report, statement
from federation.consortium.consortium_file import load_consortium
from federation.consortium.genesis import genesis_body
from privacy_accounting.audit import recompute as _recompute
from privacy_accounting.audit import verify as _verify
from privacy_accounting.audit.price import price_document as price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.audit.recompute import RecomputeReport
    from privacy_accounting.audit.verify import Receipt, VerifyReport

__all__ = [
    "copy_texts",
    "fetch_texts",
    "price",
    "recompute",
    "refusals",
    "report",
    "statement",
    "verify",
]


def verify(
    ledgers: Sequence[str | Path] | str | Path,
    *,
    consortium: str | Path | None = None,
    receipts: Sequence[Receipt] = (),
) -> VerifyReport:
    """Check chain, signatures, runs and totals, and all files against each other.

    Args:
        ledgers: the ledger files, one for each site; a single path is one file.
        consortium: the consortium file or its folder: names the keys. Without it a ledger that is forged as a whole
            would pass.
        receipts: of answers; each must be in a file.

    Returns:
        The findings; ``ok`` says whether all holds.

    Raises:
        ConfigError: the consortium file is wrong.
    """
    paths = [ledgers] if isinstance(ledgers, str | Path) else ledgers
    genesis = None if consortium is None else genesis_body(load_consortium(Path(consortium)))
    return _verify.verify([Path(path) for path in paths], genesis=genesis, receipts=receipts)


def recompute(ledger: str | Path) -> RecomputeReport:
    """Price every charge of a ledger file again from its events; ``ok`` says whether all were priced high enough."""
    return _recompute.recompute(Path(ledger))
