"""The client's channels: kept open between questions, one set for each question under way.

Layer:       federation.protocol.channel_pool, above channels.
Guarantees:  all sites are asked before the first answer is waited for; when several fail, the most telling error is
             raised: a refusal by name before a lost party, a lost party that somebody else names before one that
             merely fell silent. After an error all channels to its nodes are closed: nothing left over can be taken for
             a later answer.
See instead: what is asked (``client``).
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from federation.errors import FederationError, PolicyRefusedError, SiteUnavailableError
from federation.protocol.exchange import expect, send
from smpc.errors import PartyLostError, PeerRejectedError, SmpcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from federation.network.channel import Channel, Network
    from federation.protocol.messages import Accepted, Message

DIAL_S = 5.0
M = TypeVar("M")


class Exchange:
    """Channels to some nodes, used by one thread."""

    def __init__(self, network: Network, channels: dict[str, Channel]) -> None:
        """Hold the channels."""
        self._network, self.channels = network, channels

    def without(self, name: str) -> Exchange:
        """The same channels but one."""
        return Exchange(
            self._network, {each: channel for each, channel in self.channels.items() if each != name}
        )

    def ask_one(self, name: str, message: Message, kind: type[M], *, timeout_s: float) -> M:
        """Ask one node and wait."""
        send(self.channels[name], message)
        return expect(self.channels[name], self._network, kind, timeout_s=timeout_s)

    def ask_all(self, message: Message, kind: type[M], *, timeout_s: float) -> list[M]:
        """Ask every node the same, then wait for all.

        Returns:
            The answers in the order of the nodes.

        Raises:
            The most telling of the errors that came back.
        """
        errors: dict[str, Exception] = {}
        answers: dict[str, M] = {}
        for name, channel in self.channels.items():
            try:
                send(channel, message)
            except SmpcError as error:
                errors[name] = error
        for name, channel in self.channels.items():
            if name in errors:
                continue
            try:
                answers[name] = expect(channel, self._network, kind, timeout_s=timeout_s)
            except Exception as error:  # noqa: BLE001
                errors[name] = error
        if errors:
            raise _highest_ranked(errors)
        return [answers[name] for name in self.channels]


def find_sequencer(accepted: Mapping[str, Accepted]) -> str:
    """Who has charges entered: the site that says so of itself, else whom most name.

    Args:
        accepted: the sites' answers, by site. A wrong one costs a refusal by name, nothing more.

    Returns:
        A site's name.
    """
    own = [site for site, answer in accepted.items() if answer.sequencer == site]
    if len(own) == 1:
        return own[0]
    named = [answer.sequencer for answer in accepted.values()]
    return max(sorted(accepted), key=named.count)


def _highest_ranked(errors: dict[str, Exception]) -> Exception:
    """Refusals first, then a party that another one names as lost, then what else there is."""

    def weight(item: tuple[str, Exception]) -> tuple[int, str]:
        name, error = item
        if isinstance(error, PolicyRefusedError):
            return (0, name)
        if isinstance(error, PartyLostError):
            return (2 if error.name != name else 3, name)
        if isinstance(error, PeerRejectedError | SiteUnavailableError):
            return (4, name)
        return (1, name)

    return min(errors.items(), key=weight)[1]


class ChannelPool:
    """Open channels that wait for the next question."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        """Start without any; ``names`` are the sites, in rank order."""
        self._network, self._names = network, tuple(names)
        self._lock = threading.Lock()
        self._idle: dict[str, list[Channel]] = {}
        self._is_closed = False
        self._process = os.getpid()

    @property
    def is_of_this_process(self) -> bool:
        """Whether this is the process that opened it: a forked child shares the sockets and has none of the threads."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Refuse at once what would wait for threads that are not there.

        Raises:
            FederationError: the session was opened in another process.
        """
        if not self.is_of_this_process:
            raise FederationError(
                "the session was opened in another process, and a fork cannot use it: open a session in this process"
            )

    @contextmanager
    def question(self, names: Sequence[str]) -> Iterator[Exchange]:
        """Lend one channel to each of some nodes.

        Raises:
            FederationError: the session is closed, or was opened in another process.
            SiteUnavailableError: a node cannot be reached.
        """
        self.check_process()
        channels: dict[str, Channel] = {}
        try:
            for name in names:
                channels[name] = self._channel(name)
            yield Exchange(self._network, channels)
        except BaseException:
            with self._lock:
                old = [channel for name in names for channel in self._idle.pop(name, [])]
            for channel in (*channels.values(), *old):
                channel.close()
            raise
        with self._lock:
            for name, channel in channels.items():
                self._idle.setdefault(name, []).append(channel)
            is_closed = self._is_closed
        if is_closed:
            self.close()

    def close(self) -> None:
        """Close what waits; lent channels are closed when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, {}
        for channels in idle.values():
            for channel in channels:
                channel.close()

    def _channel(self, name: str) -> Channel:
        with self._lock:
            if self._is_closed:
                raise FederationError("the session is closed")
            waiting = self._idle.get(name)
            if waiting and self._network.is_alive(name):
                return waiting.pop()
        try:
            return self._network.dial(name, "request", DIAL_S)
        except PartyLostError as error:
            raise SiteUnavailableError(site=name) from error
