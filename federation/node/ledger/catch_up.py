"""Fetches the complete entries that this site lacks from the other sites.

Layer:       federation.node.ledger.catch_up, above peers.
Guarantees:  entries prove themselves by their signatures, whoever sends them; the last common entry is compared with
             every site that answers, so that a fork is found; entries that a site has archived are asked from others.
See instead: the rules for entries (``privacy_accounting.ledger``), the start of a site (``replication``).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError, EntriesArchivedError, LedgerForkedError

if TYPE_CHECKING:
    from federation.node.ledger.peers import PeerClients
    from privacy_accounting.ledger.replication.replica import Replica

LOG: Final = logging.getLogger(__name__)


class CatchUp:
    """One site's requests for entries.

    Attributes:
        is_done: set once the site has read the other sites' ledgers after its start.
        archived: the answer of a site that has archived what this site lacks, if no site holds it.
    """

    def __init__(self, replica: Replica, peers: PeerClients, stopping: threading.Event) -> None:
        """Start without any entry fetched; ``stopping`` ends a fetch."""
        self._replica, self._peers, self._stopping = replica, peers, stopping
        self.is_done = threading.Event()
        self.archived: EntriesArchivedError | None = None

    @property
    def others(self) -> tuple[str, ...]:
        """The other sites that are current members."""
        return tuple(site for site in self._peers.sites if site in self._replica.members)

    @property
    def lacks_archive(self) -> bool:
        """Whether every reached site has archived the entries that this site lacks."""
        return self.archived is not None and self._replica.head + 1 < self.archived.first

    @property
    def lacks_entries(self) -> bool:
        """Whether this site must fetch missing entries itself: the sequencer sends entries only with new ones."""
        is_sequencer = self._replica.sequencer == self._replica.name
        return self.lacks_archive or (self._replica.head < 0 and not is_sequencer)

    def fetch_guarded(self) -> None:
        """Fetch, and log an error instead of raising it."""
        try:
            self.fetch()
        except LedgerForkedError as error:
            LOG.critical("%s: %s; this site runs no requests", self._replica.name, error)
        except AccountingError as error:
            LOG.error("%s: entries of another site's ledger were refused: %s", self._replica.name, error)  # noqa: TRY400

    def fetch(self) -> dict[str, int]:
        """Fetch the entries that this site lacks, and compare the last common entry with each other site.

        Returns:
            The number of the last entry of every site that answered.
        """
        heads: dict[str, int] = {}
        archived: dict[str, EntriesArchivedError] = {}
        again: set[str] = set()
        since = dict.fromkeys(self.others, max(0, self._replica.head))
        while since and not self._stopping.is_set():
            answers = self._peers.entries_since(since)
            since = {}
            for site, answer in answers.items():
                if isinstance(answer, EntriesArchivedError):
                    archived[site] = answer
                    heads.setdefault(site, answer.first)
                    continue
                heads[site] = answer.head
                if answer.entries:
                    self._replica.catch_up(answer.entries, source=site)
                if self._replica.head < answer.head and answer.entries:
                    since[site] = self._replica.head + 1
                elif 0 <= answer.head < self._replica.head and not answer.entries:
                    since[site] = answer.head  # a shorter chain may be a fork: compare its last entry
            for site, lacking in list(archived.items()):
                # Another site, or this one, holds the entries in between: ask once more, from its first entry.
                if lacking.first <= self._replica.head + 1 and site not in again:
                    since[site] = max(lacking.first, self._replica.head)
                    again.add(site)
                    del archived[site]
        self.archived = next((archived[site] for site in sorted(archived)), None)
        return heads
