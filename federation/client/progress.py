"""Where a question is on its way, for a screen: asked, charged, answered.

Layer:       federation.client.progress, below session. Opens no connection and spends nothing.
Terms:       an *observer* takes each stage of a question, and each ``Progress`` of a training.
Guarantees:  a stage is told after what it names has happened: ``charged`` only once the entry is complete. What is told is what
             the analyst's own plan and receipt hold; no site sends anything for it.
See instead: what a training tells (``federation.training.running.outcome``), the terminal (``federation.display.progress``).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from privacy_accounting.ledger.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from federation.requests.planning import AnyPlanned
    from federation.requests.trust import TrustModel

StageName = Literal["asked", "charged", "answered", "failed"]
KILO: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a question.

    Attributes:
        name: the last thing that happened.
        sites: how many are asked.
        epsilon: the price; None for an exact disclosure.
        rounds: messages one after the other, at most; None where that depends on what is opened.
        bytes_per_site: sent by each site, at most; None likewise.
        entry: number of the ledger entry, once it is charged.
        longest_s: seconds until the client gives up, from now.
    """

    name: StageName
    sites: int
    epsilon: float | None
    rounds: int | None
    bytes_per_site: int | None
    entry: int | None
    longest_s: float

    def text(self) -> str:
        """Return it in one line."""
        price = "an exact disclosure" if self.epsilon is None else f"epsilon {self.epsilon:g}"
        size = "" if self.rounds is None else f", {self.rounds} rounds"
        if self.bytes_per_site is not None:
            size += f", {bytes_text(self.bytes_per_site)} each"
        if self.name == "asked":
            return f"asking {self.sites} sites: {price}{size}"
        if self.name == "failed":
            return "without an answer" + ("" if self.entry is None else f"; entry {self.entry} stays spent")
        charged = f"entry {self.entry} is charged, {price}"
        return f"{charged}; {'answered' if self.name == 'answered' else f'sites compute{size}'}"


def bytes_text(number: int) -> str:
    """Return a number of bytes with its unit (powers of 1000)."""
    value, units = float(number), ["B", "kB", "MB", "GB"]
    while value >= KILO and len(units) > 1:
        value /= KILO
        units.pop(0)
    return f"{value:.3g} {units[0]}"


_observers: list[Callable[[Any], None]] = []


def observe(observer: Callable[[Any], None] | None) -> None:
    """Set the observer of every session of this process that has none of its own; None: no observer."""
    _observers[:] = [] if observer is None else [observer]


def observer_of(own: Callable[[Any], None] | None) -> Callable[[Any], None] | None:
    """Return a session's or a call's own observer, or the process's."""
    if own is not None:
        return own
    return _observers[0] if _observers else None


class Telling:
    """Tells an observer how one question goes."""

    def __init__(self, own: Callable[[Stage], None] | None, longest_s: float) -> None:
        """Take the session's own observer, and the longest wait of a stage (s)."""
        self._observer = observer_of(own)
        self._longest_s = longest_s
        self._stage: Stage | None = None

    @contextmanager
    def until_answered(self, planned: AnyPlanned, trust: TrustModel, sites: int) -> Iterator[None]:
        """Tell that the question is asked, and at the end that it is answered or failed."""
        self._asked(planned, trust, sites)
        try:
            yield
        except BaseException:
            self._ended("failed")
            raise
        self._ended("answered")

    def _asked(self, planned: AnyPlanned, trust: TrustModel, sites: int) -> None:
        if self._observer is None:
            return  # rounds and bytes take a dry run, which is made only for an observer
        shape: Any = planned.work.explain(trust).shape
        epsilon = shape.get("cost", {}).get("epsilon")
        self._tell(
            Stage(
                name="asked",
                sites=sites,
                epsilon=None if epsilon is None else float(str(epsilon)),
                rounds=shape.get("rounds"),
                bytes_per_site=shape.get("bytes_per_party"),
                entry=None,
                longest_s=self._longest_s,
            )
        )

    def charged(self, entry: bytes) -> None:
        """Tell that the entry is complete."""
        if self._stage is not None:
            self._tell(replace(self._stage, name="charged", entry=Entry.from_bytes(entry).body.number))

    def _ended(self, name: StageName) -> None:
        if self._stage is not None:
            self._tell(replace(self._stage, name=name))

    def _tell(self, stage: Stage) -> None:
        self._stage = stage
        if self._observer is not None:
            self._observer(stage)
