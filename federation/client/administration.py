"""A session's part for administrators: amendments, the health of every node, removed sites.

Layer:       federation.client.administration, below session.
See instead: questions (``federation.client.session``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from federation.errors import FederationError
from federation.protocol.messages import (
    ApplyAmendment,
    ChangesAnswer,
    ChangesAsk,
    Charged,
    Health,
    HealthAsk,
)
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.entries import Entry
from smpc.errors import SmpcError

if TYPE_CHECKING:
    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.channel_pool import ChannelPool
    from federation.protocol.messages import BudgetAnswer


FETCH_S: Final = 5.0  # longest wait for the changes of one site


class Administered:
    """The part of a session that asks for no answer of a question.

    Attributes:
        consortium: the agreement, restricted to the sites that this session knows as members.
    """

    consortium: Consortium
    _founded: Consortium
    _pool: ChannelPool
    _answer_s: float
    _run_s: float

    def _longest(self) -> BudgetAnswer:
        """See ``federation.client.session``."""
        raise NotImplementedError

    def enter(self, motion: Amendment) -> dict[str, Any]:
        """Apply an amendment that every site's administrator has approved.

        Args:
            motion: the amendment, as it was proposed and approved.

        Returns:
            Number, hash and signatures of the entry; the amendment holds from now on.

        Raises:
            ApprovalMissingError: an administrator has not approved it; nothing was changed.
            AmendmentRejectedError: it is out of date or another consortium's.
            LedgerRefusedError: the ledger's rules forbid it.
            SiteUnavailableError: a site that must sign cannot be reached; nothing was changed.
        """
        last = self._longest().sequencer
        if isinstance(motion.content, MembersChange) and motion.leaves_out == last:
            last = motion.content.sequencer
        with self._pool.question([last]) as exchange:
            message = ApplyAmendment(motion=motion.to_bytes())
            entered = exchange.ask_one(last, message, Charged, timeout_s=self._run_s)
        entry = Entry.from_bytes(entered.entry)
        return {
            "number": entry.body.number,
            "hash": entry.hash.hex(),
            "motion": motion.digest,
            "signed_by": sorted(entry.signatures),
        }

    def health(self) -> dict[str, Health | Exception]:
        """Return the health of every node; an error in place of a node that does not answer."""
        found: dict[str, Health | Exception] = {}
        for name in self._nodes():
            try:
                with self._pool.question([name]) as exchange:
                    (found[name],) = exchange.ask_all(HealthAsk(), Health, timeout_s=self._answer_s)
            except Exception as error:  # noqa: BLE001
                found[name] = error
        return found

    def changes_elsewhere(self) -> bytes:
        """Return the members file of the first site that answers; empty where none does, or none has one.

        The bytes are as a site sent them: ``with_members`` checks every signature.
        """
        file = self._founded.file
        for site in dict.fromkeys((file.sequencer, *self._founded.names)):
            with suppress(FederationError, SmpcError), self._pool.question([site]) as exchange:
                return bytes(exchange.ask_one(site, ChangesAsk(), ChangesAnswer, timeout_s=FETCH_S).data)
        return b""

    def left_out(self) -> tuple[str, ...]:
        """Return the founding sites that are no longer members, by the longest ledger that answers."""
        return tuple(sorted(set(self._founded.names).difference(self._longest().members)))

    def _nodes(self) -> list[str]:
        file = self.consortium.file
        helpers = [helper for helper in (file.dealer, file.aggregator, file.keyholder) if helper is not None]
        return [*self._founded.names, *(helper.name for helper in helpers)]
