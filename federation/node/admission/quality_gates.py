"""A policy's requirements on data quality, decided from releases that every site has seen.

Layer:       federation.node.admission.quality_gates, beside queries; one file beside the ledger, memory without a path.
Terms:       a *release* is a charged answer of ``quality`` with ``for_sites``: noisy counts of all sites together, which
             open to every site. A requirement is *met* where a release shows the share with 95 % confidence.
Guarantees:  the decision looks at releases, at the policy and at nothing else: whatever thresholds a policy holds, and
             whenever it changes, its site learns no more than the release that was paid for, and the analyst no more
             than whether a figure that the analyst has is below them. It is the same at every site that has the rule. It
             fails closed: without a release, of another agreement, other members or an earlier version of the table,
             a request is refused before its charge. Of several releases of a column the first decides until one with
             at most half of its noise comes: a release is not repeated, nor asked for at slightly larger epsilons,
             until its noise is lucky.
Visible to:  the site; a refusal holds a requirement and the number of a ledger entry.
See instead: the requirement (``analytics.statistics.profiles.requirements``), the release
             (``analytics.statistics.profiles.quality``).
Source:      ours; docs/guarantees.md P3, P8, P9, P19.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analytics.statistics.profiles.quality_answer import ColumnQuality, QualityAnswer
from analytics.statistics.profiles.requirements import requirements_on
from federation.errors import PolicyRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.statistics.profiles.requirements import Requirement
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import Policy
    from federation.requests.planning import AnyPlanned
    from privacy_accounting.ledger.replication.replica import Replica

LOG: Final = logging.getLogger(__name__)
FILE: Final = "quality.json"
RULE: Final = "policy.require"
LESS_NOISE: Final = 2  # by which a later release has to be more accurate, so that few of them ever decide


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedColumn:
    """The released figures of one column.

    Attributes:
        number: of the release's ledger entry.
        rows, missing, invalid: of all sites, with noise.
        sd: standard deviation of the noise on each.
    """

    number: int
    rows: float
    missing: float
    invalid: float
    sd: float

    def as_answer(self, column: str) -> QualityAnswer:
        """The release as an answer over this column alone."""
        found = ColumnQuality(rows=self.rows, missing=self.missing, invalid=self.invalid, sd=self.sd)
        return QualityAnswer(columns={column: found}, n_rows=self.rows)


class QualityGates:
    """The releases that one site has seen. Safe for several threads."""

    def __init__(
        self, *, site: str, consortium: Consortium, replica: Replica, folder: Path | None = None
    ) -> None:
        """Read the releases that still hold.

        Args:
            site: the name of this site.
            consortium: the agreement in force, among its present members.
            replica: its ledger.
            folder: the site's state; None: memory.
        """
        self._site, self._replica = site, replica
        self._of = {"configuration": consortium.configuration(), "members": list(consortium.names)}
        self._path = None if folder is None else folder / FILE
        self._lock = threading.Lock()
        self._every = {} if self._path is None else self._read(self._path)
        self._seen = {
            table: {name: _deciding(releases) for name, releases in columns.items()}
            for table, columns in self._every.items()
        }

    def keep(self, planned: AnyPlanned, number: int, values: bytes) -> None:
        """Keep what this site has seen of a release; other work is left alone. Nothing is raised after a charge.

        Args:
            planned: what ran.
            number: of its entry.
            values: this site's part of the answer.
        """
        seen = planned.work.quality_seen(values)
        if seen is None:
            return
        with self._lock:
            every = self._every.setdefault(planned.work.table.name, {})
            table = self._seen.setdefault(planned.work.table.name, {})
            since = self._since(planned.work.table.name)
            for name, each in seen.columns.items():
                if each.rows is None or each.missing is None or each.invalid is None:
                    continue
                found = ReleasedColumn(
                    number=number, rows=each.rows, missing=each.missing, invalid=each.invalid, sd=each.sd
                )
                kept = [old for old in every.get(name.lower(), ()) if old.number >= since]
                every[name.lower()] = [*kept, found]
                table[name.lower()] = _deciding(every[name.lower()])
            self._write()

    def check(self, planned_table: str, policy: Policy) -> None:
        """Refuse work over a table whose released figures do not show what a policy requires.

        Args:
            planned_table: its name.
            policy: this site's, with the agreement's floor.

        Raises:
            PolicyRefusedError: with the requirement, and what is missing.
        """
        for requirement in requirements_on(planned_table, policy.require):
            reason = self._reason(planned_table, requirement)
            if reason:
                rule = f"{RULE}: {requirement} of {planned_table} {reason}"
                raise PolicyRefusedError(site=self._site, rule=rule)

    def _reason(self, table: str, requirement: Requirement) -> str:
        column = requirement.column.lower()
        with self._lock:
            found = self._seen.get(table, {}).get(column)
        if found is None or found.number < self._since(table):
            return "is not decided: ask quality of this column with an epsilon and for_sites first"
        if requirement.is_met_by(found.as_answer(column)):
            return ""
        return (
            f"is not met: the release of entry {found.number} does not show it with 95 % confidence; "
            f"a release with at most 1 / {LESS_NOISE} of its noise may decide anew"
        )

    def _since(self, table: str) -> int:
        """The entry that last declared the table's version; figures from before it are of other rows."""
        return self._replica.core.state.tables.get(table, (0, 0))[1]

    def _read(self, path: Path) -> dict[str, dict[str, list[ReleasedColumn]]]:
        """Those of the same agreement and members; none where the file is missing or damaged."""
        try:
            given = json.loads(path.read_text("utf-8"))
            if {key: given.pop(key) for key in self._of} != self._of:
                return {}
            return {
                str(table): {
                    str(name): [ReleasedColumn(**each) for each in releases]
                    for name, releases in columns.items()
                    if releases
                }
                for table, columns in given["tables"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            LOG.warning(
                "%s: the kept releases of quality cannot be read (%s)", self._site, type(error).__name__
            )
            return {}

    def _write(self) -> None:
        if self._path is None:
            return
        tables: Mapping[str, object] = {
            table: {name: [asdict(each) for each in releases] for name, releases in columns.items()}
            for table, columns in self._every.items()
        }
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent)  # mode 600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({**self._of, "tables": tables}, file)
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            LOG.warning("%s: a release of quality was not kept (%s)", self._site, type(error).__name__)


def _deciding(releases: Iterable[ReleasedColumn]) -> ReleasedColumn:
    """The one of a column's releases that decides; the same in whatever order they reached this site."""
    first, *later = sorted(releases, key=lambda each: each.number)
    for each in later:
        first = each if each.sd * LESS_NOISE <= first.sd else first
    return first
