"""A site's answer to an analyst's preflight: what would refuse the run here, without a row and without a charge.

Layer:       federation.node.preflight.service, above source_checks, record and request_services.
Guarantees:  the answer depends on the request, the agreement, the site's files of settings, its policy and its ledger, and on
             no row: two sites that differ in their rows alone send the same bytes. It names a table and a column of the
             agreed schema, and a code; the site's own words go to its log and to the record for its administrator. Nothing is
             charged, signed or kept of the request. One preflight at a time opens the sources of a site.
See instead: the checks of a real request (``federation.node.admission``), its rows (``federation.node.site_process``).
Source:      docs/guarantees.md P3, P5, P19.
"""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from federation.errors import SiteBusyError
from federation.node.admission.checked_request import CheckedRequest, refusals_of
from federation.node.preflight.record import write_record
from federation.protocol.error_codes import to_wire
from federation.protocol.messages import Failed, PreflightAnswer
from federation.protocol.request import request_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.sources import LocalTable
    from analytics.sources.dry_opening import OpeningFault
    from federation.consortium.consortium_file import Consortium
    from federation.node.preflight.source_checks import CheckedSource, SourceChecks
    from federation.node.request_services import RequestServices
    from federation.protocol.messages import PreflightAsk

LOG: Final = logging.getLogger(__name__)
WAIT_S: Final = 10.0
_MEMORY: Final = Path("/proc/meminfo")


class PreflightService:
    """The preflights of one site. Safe for several threads."""

    def __init__(
        self,
        *,
        site: str,
        consortium: Consortium,
        services: RequestServices,
        sources: Mapping[str, LocalTable],
        checks: SourceChecks,
        check_agreement: Callable[[], None],
        folder: Path | None,
        clock: Callable[[], int],
    ) -> None:
        """Take the parts of the site.

        Args:
            site: its name.
            consortium: the agreement in force.
            services: what decides on requests.
            sources: its open tables.
            checks: its sources.
            check_agreement: raises where an entry has changed the agreement under which the node runs.
            folder: for the record; None: none is kept.
            clock: seconds since 1970.
        """
        self._site, self._consortium, self._services = site, consortium, services
        self._sources, self._checks, self._check_agreement = dict(sources), checks, check_agreement
        self._folder, self._clock = folder, clock
        self._one = threading.Lock()

    def answer(self, ask: PreflightAsk, *, caller: str) -> PreflightAnswer:
        """Check a request, or all tables where there is none.

        Visible to: the analyst.

        Args:
            ask: the message.
            caller: the analyst, by the certificate of the channel.

        Raises:
            SiteBusyError: another preflight has been opening the sources for long.
            PeerRejectedError: the bytes are not a request.
        """
        checked = CheckedRequest()
        if ask.request:
            checked = self._services.of(ask.request).check_unsigned(ask.request, caller=caller)
        refusals = (*refusals_of([self._check_agreement]), *checked.refusals)
        tables = self._consortium.schema.tables
        chosen = [checked.table] if checked.table is not None else list(tables)
        if not self._one.acquire(timeout=WAIT_S):
            raise SiteBusyError(site=self._site, reason="it makes another preflight; ask again")
        try:
            faults = {name: self._checks.faults(tables[name], checked.scan) for name in chosen}
        finally:
            self._one.release()
        self._record(ask, caller, refusals, faults)
        return PreflightAnswer(
            refusals=[self._failed(error) for error in refusals],
            faults=[
                {
                    "table": name,
                    "code": fault.code,
                    "column": fault.column if fault.column in tables[name].columns else "",
                }
                for name, found in faults.items()
                for fault in found.public
            ],
        )

    def _failed(self, error: Exception) -> Failed:
        code, fields = to_wire(error, site=self._site)
        return Failed(code=code, fields=fields)

    def _record(
        self,
        ask: PreflightAsk,
        caller: str,
        refusals: tuple[Exception, ...],
        faults: Mapping[str, CheckedSource],
    ) -> None:
        for name, found in faults.items():
            for fault in found.own:
                LOG.warning("%s: preflight: table %s: %s: %s", self._site, name, fault.code, fault.reason)
        write_record(
            self._folder,
            {
                "time": self._clock(),
                "analyst": caller,
                "request": request_hash(ask.request) if ask.request else "",
                "refusals": [str(error) for error in refusals],
                "tables": {name: self._table_record(name, found.own) for name, found in faults.items()},
                "disk_free_bytes": None if self._folder is None else shutil.disk_usage(self._folder).free,
                "memory_available_bytes": _available_bytes(),
            },
        )

    def _table_record(self, name: str, found: tuple[OpeningFault, ...]) -> dict[str, Any]:
        """What stands in the record on one table: its faults, what its rows gave at the start, whether they changed."""
        source = self._sources.get(name)
        return {
            "faults": [{"code": f.code, "column": f.column, "reason": f.reason} for f in found],
            "ingest": [] if source is None else [*source.report.lines(), *source.report.faults()],
            "changed_since_start": self._checks.has_changed(name),
        }


def _available_bytes() -> int | None:
    """Memory of this machine that programs can still have; None where the system does not say."""
    try:
        lines = _MEMORY.read_text("utf-8").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found else None
