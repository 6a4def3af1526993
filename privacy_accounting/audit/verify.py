"""Is the book whole: ledger files of several sites, each by itself and all against each other.

Floor:    privacy_accounting.audit, above ``chain``.
Terms:    a site is *behind* if its entries are the beginning of another site's; it *forked* if one of its
          complete entries differs from the others' with the same number.
Promise:  names the first bad entry of each file and the forking site; behind is not forked; a started note
          without its complete charge is found; a file whose append-only triggers were removed is found.
          Needs no key.
Not here: prices (``recompute``), printing (the caller).
Source:   DESIGN 3b; PRIVACY P1, P2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from privacy_accounting.audit.chain import Chain, Progress, open_file, read_chain
from privacy_accounting.errors import AccountingError, LedgerForkedError, LedgerTamperedError
from privacy_accounting.ledger.messages import Signed, read_answer
from privacy_accounting.ledger.sqlite import SqliteStore
from privacy_accounting.ledger.store import Store, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What one file is worth.

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
    """What several files are worth together.

    Attributes:
        files: in the order given.
        forks: every site that differs, at the first number where it does.
        behind: how many entries a site lacks.
        totals: of the longest chain that holds.
    """

    files: tuple[FileReport, ...]
    forks: tuple[Fork, ...]
    behind: Mapping[str, int]
    totals: tuple[Total, ...]

    @property
    def ok(self) -> bool:
        """Whether every file holds and no site forked; a site that is behind does no harm."""
        return all(report.ok for report in self.files) and not self.forks

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
        }


def verify(paths: Sequence[Path], *, progress: Progress | None = None) -> VerifyReport:
    """Check the ledger files of one consortium.

    Args:
        paths: one file per site.
        progress: told how many entries of the current file were read.

    Returns:
        Everything that was found; nothing is raised for a bad file.
    """
    reports: list[FileReport] = []
    chains: list[Chain] = []
    for path in paths:
        try:
            store = open_file(path)
        except AccountingError as error:
            reports.append(FileReport(path=str(path), owner="", reason=str(error)))
            continue
        try:
            report, chain = _one(path, store, progress)
        finally:
            store.close()
        reports.append(report)
        chains.append(chain)
    forks, behind = _compare(chains)
    noted = [_noted_forks(path) for path, report in zip(paths, reports, strict=True) if report.owner]
    found = {(fork.number, fork.site): fork for fork in [*forks, *(f for forks_ in noted for f in forks_)]}
    return VerifyReport(
        files=tuple(reports), forks=tuple(found.values()), behind=behind, totals=_totals(chains, forks)
    )


def _one(path: Path, store: Store, progress: Progress | None) -> tuple[FileReport, Chain]:
    chain = read_chain(store, progress)
    missing = store.guards_missing() if isinstance(store, SqliteStore) else []
    findings = [f"append-only trigger {name} is missing or changed" for name in missing]
    refusals = withdrawals = 0
    try:
        findings += _check_runs(store, chain)
        promises, refusals = _check_promises(store, chain)
        findings += promises
        withdrawals = len(store.notes(Table.WITHDRAWALS))
        store.notes(Table.FORKS)
    except AccountingError as error:
        findings.append(f"the site's own notes cannot be read: {error}")
    report = FileReport(
        path=str(path),
        owner=chain.owner,
        entries=len(chain.hashes),
        head=chain.hashes[-1].hex() if chain.hashes else "",
        first_bad=chain.first_bad,
        reason=chain.reason,
        findings=tuple(findings),
        begins=chain.begins,
        withdrawals=withdrawals,
        refusals=refusals,
    )
    return report, chain


def _check_runs(store: Store, chain: Chain) -> list[str]:
    """Every started note needs its complete charge, and opened sessions are those of the charges."""
    findings = []
    # runs before the first entry held are checked with the archive
    started = [note for note in store.notes(Table.STARTED) if note.number >= chain.begins]
    for note in started:
        run = chain.runs.get(note.number)
        if run is None or run.hash != note.digest or chain.owner not in run.cohort:
            findings.append(f"a run was started for entry {note.number} without its complete charge")
        elif chain.state.cancelled(note.number):
            findings.append(f"the run of entry {note.number} was started and its charge given back")
    opened = {(note.number, note.digest) for note in store.notes(Table.OPENED) if note.number >= chain.begins}
    wanted = {(n.number, chain.runs[n.number].session) for n in started if n.number in chain.runs}
    if opened != wanted:
        findings.append("opened sessions and started runs differ")
    return findings


def _check_promises(store: Store, chain: Chain) -> tuple[list[str], int]:
    """A second signature under one number needs the withdrawal of the first; count refusals by the way."""
    withdrawn = {note.digest for note in store.notes(Table.WITHDRAWALS)}
    signed: dict[int, list[str]] = {}
    refusals = 0
    for note in store.notes(Table.ANSWERS):
        if isinstance(read_answer(note.payload), Signed):
            signed.setdefault(note.number, []).append(note.digest)
        else:
            refusals += 1
    voted_out = chain.state.changes_of_sequencer
    findings = [
        f"the site signed two proposals for entry {number} without a withdrawal of the first"
        for number, digests in signed.items()
        if number not in voted_out and any(digest not in withdrawn for digest in digests[:-1])
    ]
    return findings, refusals


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


def _compare(chains: Sequence[Chain]) -> tuple[list[Fork], dict[str, int]]:
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


def _totals(chains: Sequence[Chain], forks: Sequence[Fork]) -> tuple[Total, ...]:
    odd = {fork.site for fork in forks}
    whole = [chain for chain in chains if chain.hashes and chain.owner not in odd]
    if not whole:
        return ()
    book = max(whole, key=lambda chain: len(chain.hashes)).state.book
    return tuple(
        Total(
            population=population,
            sub_budget=name,
            spent=book.spent(population, name),
            allowance=part.allowance,
            exact_disclosures=book.exact_disclosures(population),
        )
        for population, budget in sorted(book.populations.items())
        for name, part in sorted(budget.sub_budgets.items())
    )
