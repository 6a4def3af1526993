"""The health of all nodes, asked in the background, so that no page waits for a site that is down.

Layer:       federation.dashboard.node_watch, above display.
Guarantees:  nodes are asked only while a page is open, and at most every ``FRESH_S``; a page waits at most ``WAIT_S``, and
             is given the last known state with its age.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crossward.base_error import CrosswardError
from federation.display.error_text import printable, sentence
from federation.protocol.messages import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from federation.consortium.consortium_file import Consortium

FRESH_S: Final = 5.0
WAIT_S: Final = 2.0
SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One node as a page shows it.

    Attributes:
        name: of the node.
        role: site, dealer, aggregator or keyholder; empty where it does not answer.
        is_up: whether it answers and is ready.
        text: ready, or what is wrong.
        version: of the program.
        number: of its last ledger entry; None for a node without a ledger.
        head: first letters of the hash of that entry.
        remark: how it differs from the other nodes; empty where it does not.
    """

    name: str
    role: str
    is_up: bool
    text: str
    version: str = ""
    number: int | None = None
    head: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """What is known of all nodes.

    Attributes:
        states: in the order of the consortium file; empty before the first answer.
        age_s: seconds since they were asked.
        heads: whether the ledgers agree, in one sentence.
    """

    states: tuple[NodeState, ...] = ()
    age_s: float = 0.0
    heads: str = ""

    @property
    def down(self) -> tuple[str, ...]:
        """The nodes that do not answer, or are not ready."""
        return tuple(each.name for each in self.states if not each.is_up)


class NodeWatch:
    """Asks in a thread of its own. Safe for several threads."""

    def __init__(
        self,
        ask: Callable[[], Mapping[str, Health | Exception]],
        consortium: Callable[[], Consortium],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without knowing anything.

        Args:
            ask: all nodes, one after the other.
            consortium: the agreement as the session knows it.
            clock: seconds.
        """
        self._ask, self._consortium, self._clock = ask, consortium, clock
        self._lock = threading.Lock()
        self._found: Mapping[str, Health | Exception] = {}
        self._asked_s: float | None = None
        self._running: threading.Thread | None = None

    def look(self, wait_s: float = WAIT_S) -> Nodes:
        """Return what is known, asking again where it is old."""
        with self._lock:
            is_old = self._asked_s is None or self._clock() - self._asked_s > FRESH_S
            if is_old and self._running is None:
                self._running = threading.Thread(target=self._look, name="dashboard nodes", daemon=True)
                self._running.start()
            running = self._running
        if running is not None:
            running.join(wait_s)
        return self.known()

    def known(self) -> Nodes:
        """Return what is known; ask nothing."""
        with self._lock:
            found, asked_s = dict(self._found), self._asked_s
        if asked_s is None:
            return Nodes()
        states = _states(found, self._consortium().configuration())
        return Nodes(states=states, age_s=self._clock() - asked_s, heads=_heads(found))

    def _look(self) -> None:
        try:
            found = self._ask()
        except CrosswardError:
            found = {}
        with self._lock:
            self._found, self._asked_s, self._running = found, self._clock(), None


def _states(found: Mapping[str, Health | Exception], configuration: str) -> tuple[NodeState, ...]:
    versions = [each.version for each in found.values() if isinstance(each, Health)]
    usual = max(sorted(set(versions)), key=versions.count, default="")
    longest = max((each.ledger_number for each in found.values() if isinstance(each, Health)), default=-1)
    return tuple(_state(name, each, configuration, usual, longest) for name, each in found.items())


def _state(name: str, found: Health | Exception, configuration: str, usual: str, longest: int) -> NodeState:
    if not isinstance(found, Health):
        text = sentence(found) if isinstance(found, CrosswardError) else type(found).__name__
        return NodeState(name=name, role="", is_up=False, text=f"does not answer: {text}")
    remarks = [
        f"version differs from {usual}" if found.version != usual else "",
        "another agreement" if found.configuration != configuration else "",
    ]
    has_ledger = found.ledger_number >= 0
    if has_ledger and found.ledger_number < longest:
        remarks.append(f"{longest - found.ledger_number} entries behind")
    unheard = sorted(each for each, is_heard in found.hears.items() if not is_heard)
    if unheard:
        remarks.append(f"does not hear {', '.join(unheard)}")
    return NodeState(
        name=name,
        role=printable(found.role),
        is_up=found.is_ready,
        text="ready" if found.is_ready else f"not ready: {printable(found.reason)}",
        version=printable(found.version),
        number=found.ledger_number if has_ledger else None,
        head=found.ledger_head[:SHOWN] if has_ledger else "",
        remark="; ".join(filter(None, remarks)),
    )


def _heads(found: Mapping[str, Health | Exception]) -> str:
    """Say whether all ledgers of the same length have the same last entry."""
    heads: dict[int, dict[str, list[str]]] = {}
    for name, each in found.items():
        if isinstance(each, Health) and each.ledger_number >= 0:
            heads.setdefault(each.ledger_number, {}).setdefault(each.ledger_head, []).append(name)
    if not heads:
        return "no site says where its ledger ends"
    for number, named in sorted(heads.items()):
        if len(named) > 1:
            sides = " and ".join(", ".join(names) for names in named.values())
            return f"the ledgers differ at entry {number}: {sides} hold different entries"
    if len(heads) > 1:
        return "no two ledgers differ; some sites are behind, which does no harm"
    (number,) = heads
    sites = [name for names in heads[number].values() for name in names]
    return f"the ledgers of {', '.join(sites)} end with the same entry {number}"
