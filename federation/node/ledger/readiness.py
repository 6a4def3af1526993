"""Whether a site can serve requests, and what is missing.

Layer:       federation.node.ledger.readiness, above catch_up.
See instead: the health message (``site_node``), the wait at a start (``site_process``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy_accounting.errors import LedgerForkedError, LedgerRefusedError

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from federation.node.ledger.catch_up import CatchUp
    from privacy_accounting.ledger.replication.replica import Replica


class Readiness:
    """The readiness of one site, from its ledger."""

    def __init__(self, consortium: Consortium, replica: Replica, catch_up: CatchUp) -> None:
        """Read from these; nothing is stored."""
        self._consortium, self._replica, self._catch_up = consortium, replica, catch_up
        self._tables = dict(replica.core.state.tables)  # those whose rows this node has read at its start

    @property
    def reason(self) -> str:
        """The reason why this site cannot serve requests yet; empty when it can."""
        if not self._catch_up.is_done.is_set():
            return "it is still reading the other sites' ledgers"
        broken = self._broken()
        if broken:
            return broken
        if self._catch_up.lacks_archive:
            return f"{self._catch_up.archived}; give it a copy of that archive with crossward ledger catch-up"
        return "the ledger has no first entry yet" if self._replica.head < 0 else self.left

    @property
    def left(self) -> str:
        """The reason why this site cannot serve requests after a change of members; empty without one."""
        members, name = self._replica.members, self._replica.name
        spans = self._replica.core.state.succession.spans
        own = self._consortium.site_keys.get(name)
        if spans and not any(each.keys.get(name) == own for _, each in spans):
            return (
                "its own entry is missing: all sites approve the amendment, this one too, and one applies it"
            )
        if name not in members:
            return "it was left out of the consortium"
        if members != self._consortium.names:
            return "the members have changed: restart this node"
        declared = sorted(dict(self._replica.core.state.tables).items() - self._tables.items())
        if declared:
            text = ", ".join(f"{table} has version {version}" for table, (version, _) in declared)
            return f"table {text} by the ledger: restart this node with those rows"
        changed = self._other_agreement()
        if changed:
            return changed
        keys = self._replica.core.members(self._replica.head + 1).keys
        renewed = sorted(name for name, key in self._consortium.site_keys.items() if keys[name] != key)
        return f"the key of {', '.join(renewed)} was renewed: restart this node" if renewed else ""

    def _other_agreement(self) -> str:
        """The reason why this node answers nothing after a change of the agreement; empty without one."""
        state = self._replica.core.state
        if (
            state.genesis is None
            or state.agreements.configuration(state.chain) == self._consortium.configuration()
        ):
            return ""
        return f"entry {state.agreements.basis} changed the agreement: restart this node with it"

    @property
    def needs_administrator(self) -> bool:
        """Whether this site serves no request before an administrator acts."""
        return self._catch_up.lacks_archive or (self._replica.head >= 0 and self.left != "")

    def _broken(self) -> str:
        """The reason why the ledger cannot be written; empty for a fork, which has an error of its own."""
        core = self._replica.core
        if core.is_usable:
            return ""
        with core.lock:  # a write in progress has not failed
            try:
                core.usable()
            except LedgerRefusedError as error:
                return f"{error}: remove the cause, then restart the node"
            except LedgerForkedError:
                return ""
        return ""
