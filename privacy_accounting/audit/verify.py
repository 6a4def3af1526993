"""Verifies the ledger: the files of several sites, each by itself and all against each other.

Layer:       privacy_accounting.audit, above ``chain_reader`` and ``local_journal``.
Terms:       a site is *behind* if its entries are the beginning of another site's; it *forked* if one of its complete
             entries differs from the others' with the same number.
Guarantees:  names the first bad entry of each file and the forking site; a site that is behind is not reported as
             forked; a ledger of another consortium, a file under another site's name, notes that were altered, a
             started note without its complete charge and a file whose append-only triggers were removed are found.
             Needs no key.
See instead: prices (``recompute``), printing (the caller).
Source:      docs/guarantees.md P1, P2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from privacy_accounting.audit.chain_reader import ChainReader, Progress, open_file, read_chain
from privacy_accounting.audit.local_journal import check_notes
from privacy_accounting.errors import AccountingError, LedgerForkedError, LedgerTamperedError
from privacy_accounting.ledger.storage.store import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The result of verifying one file.

    Attributes:
        path: as given.
        owner: site whose ledger it is; empty if it cannot be read.
        entries: how many hold.
        head: body hash of the last one that holds, hexadecimal.
        first_bad: number of the first entry that does not hold.
        reason: why it does not, or why the file cannot be read.
        findings: what is wrong with the site's own notes.
        begins: number of the first entry held; older ones are in an archive, to be verified beside it.
        withdrawals: proposals given up, for information.
        refusals: proposals that the site refused, for information.
        forgotten: entries that carry the site's signature without a note of it, for information: the site was
            restored from a backup, or notes were removed.
    """

    path: str
    owner: str
    entries: int = 0
    head: str = ""
    first_bad: int | None = None
    reason: str = ""
    findings: tuple[str, ...] = ()
    begins: int = 0
    withdrawals: int = 0
    refusals: int = 0
    forgotten: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the file by itself."""
        return self.owner != "" and self.first_bad is None and not self.reason and not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Two complete entries with one number.

    Attributes:
        number: of both entries.
        site: whose entry differs from most of the others'.
    """

    number: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an analyst was given for an answer: proof against entries that every site dropped.

    Attributes:
        number: of the entry.
        entry_hash: of its body, hexadecimal.
    """

    number: int
    entry_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What is spent of one sub-budget, by the longest chain that holds.

    Attributes:
        population: whose patients.
        sub_budget: which filter.
        spent: in units of ``2**-40`` at the sub-budget's order.
        allowance: in the same unit.
        exact_disclosures: about the population, without epsilon.
    """

    population: str
    sub_budget: str
    spent: int
    allowance: int
    exact_disclosures: int

    @property
    def fraction_spent(self) -> Fraction:
        """Spent over allowed."""
        return Fraction(self.spent, self.allowance)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The result of verifying several files together.

    Attributes:
        files: in the order given.
        forks: every site that differs, at the first number where it does.
        behind: how many entries a site lacks.
        totals: of the longest chain that holds.
        repeated: sites of which several files were given, and how many: they count as one site.
        absent: members whose file was not given; a fork that one of them alone holds is not seen.
        against_consortium: whether the first entry was compared with a consortium file.
        unmet: entries that receipts name and the longest chain that holds does not have so.
    """

    files: tuple[FileReport, ...]
    forks: tuple[Fork, ...]
    behind: Mapping[str, int]
    totals: tuple[Total, ...]
    absent: tuple[str, ...] = ()
    repeated: Mapping[str, int] = field(default_factory=dict)
    against_consortium: bool = False
    unmet: tuple[int, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every file holds, no site forked and every receipt is met; a site that is behind does no harm."""
        return all(report.ok for report in self.files) and not self.forks and not self.unmet

    def require(self) -> None:
        """Raise the first thing that is wrong.

        Raises:
            LedgerTamperedError: a file does not hold.
            LedgerForkedError: a site forked.
        """
        for fork in self.forks:
            raise LedgerForkedError(site=fork.site, number=fork.number)
        for report in self.files:
            if not report.ok:
                reason = report.reason or "; ".join(report.findings)
                bad = report.entries if report.first_bad is None else report.first_bad
                raise LedgerTamperedError(first_bad_index=bad, reason=f"{report.path}: {reason}")
        for number in self.unmet:
            raise LedgerTamperedError(first_bad_index=number, reason="a receipt names another entry here")

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values."""
        totals = [
            asdict(total) | {"fraction_spent": f"{float(total.fraction_spent):.6f}"} for total in self.totals
        ]
        return {
            "ok": self.ok,
            "files": [asdict(report) | {"ok": report.ok} for report in self.files],
            "forks": [asdict(fork) for fork in self.forks],
            "behind": dict(self.behind),
            "totals": totals,
            "absent": list(self.absent),
            "repeated": dict(self.repeated),
            "against_consortium": self.against_consortium,
            "unmet": list(self.unmet),
        }


def verify(
    paths: Sequence[Path],
    *,
    progress: Progress | None = None,
    genesis: Body | None = None,
    receipts: Sequence[Receipt] = (),
) -> VerifyReport:
    """Check the ledger files of one consortium.

    Args:
        paths: one file per site.
        progress: called with the number of entries of the current file read.
        genesis: the first entry as the consortium file gives it. Without it the files' own first entry is
            believed, and with it the keys that it names: a wholly invented ledger would pass.
        receipts: of analysts; entries that all sites dropped leave no other trace.

    Returns:
        Everything that was found; nothing is raised for a bad file.
    """
    reports: list[FileReport] = []
    chains: list[ChainReader] = []
    for path in paths:
        try:
            store = open_file(path)
        except AccountingError as error:
            reports.append(FileReport(path=str(path), owner="", reason=str(error)))
            continue
        try:
            report, chain = _one(path, store, progress, None if genesis is None else genesis.to_bytes())
        finally:
            store.close()
        reports.append(report)
        chains.append(chain)
    forks, behind = _compare(chains)
    noted = [_noted_forks(path) for path, report in zip(paths, reports, strict=True) if report.owner]
    found = {(fork.number, fork.site): fork for fork in [*forks, *(f for forks_ in noted for f in forks_)]}
    return VerifyReport(
        files=tuple(reports),
        forks=tuple(found.values()),
        behind=behind,
        totals=_totals(chains, forks),
        absent=_absent(chains),
        repeated=_repeated(reports),
        against_consortium=genesis is not None,
        unmet=_unmet(chains, forks, receipts),
    )


def _one(
    path: Path, store: Store, progress: Progress | None, genesis: bytes | None
) -> tuple[FileReport, ChainReader]:
    chain = read_chain(store, progress, genesis=genesis)
    notes = check_notes(store, chain)
    report = FileReport(
        path=str(path),
        owner=chain.owner,
        entries=len(chain.hashes),
        head=chain.hashes[-1].hex() if chain.hashes else "",
        first_bad=chain.first_bad,
        reason=chain.reason,
        findings=tuple(notes.findings),
        begins=chain.begins,
        withdrawals=notes.withdrawals,
        refusals=notes.refusals,
        forgotten=notes.forgotten,
    )
    return report, chain


def _repeated(reports: Sequence[FileReport]) -> dict[str, int]:
    """Count the live files of sites that have several; archives begin elsewhere."""
    known = Counter((report.owner, report.begins) for report in reports if report.owner)
    return {owner: count for (owner, _), count in sorted(known.items()) if count > 1}


def _absent(chains: Sequence[ChainReader]) -> tuple[str, ...]:
    """Members by the longest chain whose file was not given."""
    whole = [chain for chain in chains if chain.hashes]
    if not whole:
        return ()
    members = max(whole, key=lambda chain: len(chain.hashes)).state.members().names
    return tuple(sorted(set(members) - {chain.owner for chain in chains}))


def _noted_forks(path: Path) -> list[Fork]:
    """Read the forks that a site itself recorded."""
    store = open_file(path)
    try:
        notes = store.notes(Table.FORKS)
        return [Fork(number=note.number, site=note.payload.decode("utf-8", "replace")) for note in notes]
    except AccountingError:
        return []  # the file's own report says so
    finally:
        store.close()


def _compare(chains: Sequence[ChainReader]) -> tuple[list[Fork], dict[str, int]]:
    """Compare what holds of each file, number by number."""
    longest = max((len(chain.hashes) for chain in chains), default=0)
    agreeing, forks = list(chains), []
    for number in range(longest):
        present = [chain for chain in agreeing if number < len(chain.hashes)]
        counts = Counter(chain.hashes[number] for chain in present)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            odd = [chain for chain in present if chain.hashes[number] != usual]
            forks += [Fork(number=number, site=chain.owner) for chain in odd]
            agreeing = [chain for chain in agreeing if chain not in odd]
    most = max((len(chain.hashes) for chain in agreeing), default=0)
    reach: dict[str, int] = {}
    for chain in agreeing:  # an archive is shorter than the file it was taken from
        reach[chain.owner] = max(reach.get(chain.owner, 0), len(chain.hashes))
    behind = {owner: most - length for owner, length in reach.items() if length < most}
    return forks, behind


def _longest(chains: Sequence[ChainReader], forks: Sequence[Fork]) -> ChainReader | None:
    """Give the longest chain of a site that did not fork, as far as it holds."""
    odd = {fork.site for fork in forks}
    whole = [chain for chain in chains if chain.hashes and chain.owner not in odd]
    return max(whole, key=lambda chain: len(chain.hashes), default=None)


def _unmet(
    chains: Sequence[ChainReader], forks: Sequence[Fork], receipts: Sequence[Receipt]
) -> tuple[int, ...]:
    chain = _longest(chains, forks)
    held = {} if chain is None else dict(enumerate(each.hex() for each in chain.hashes))
    return tuple(sorted({each.number for each in receipts if held.get(each.number) != each.entry_hash}))


def _totals(chains: Sequence[ChainReader], forks: Sequence[Fork]) -> tuple[Total, ...]:
    chain = _longest(chains, forks)
    if chain is None:
        return ()
    privacy_filter = chain.state.privacy_filter
    return tuple(
        Total(
            population=population,
            sub_budget=name,
            spent=privacy_filter.spent(population, name),
            allowance=part.allowance,
            exact_disclosures=privacy_filter.exact_disclosures(population),
        )
        for population, budget in sorted(privacy_filter.populations.items())
        for name, part in sorted(budget.sub_budgets.items())
    )
