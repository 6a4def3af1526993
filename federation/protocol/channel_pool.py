"""The client's channels to the nodes: kept open between questions, one set for each question in progress.

Layer:       federation.protocol.channel_pool, above exchange.
Guarantees:  the client asks all sites before it waits for the first answer. When several sites fail, errors are
             ranked: a refusal first, then a peer reported lost by another node, then a peer that timed out. After an
             error all channels to the nodes concerned are closed, so that no late answer is taken for a later one.
See instead: the questions (``federation.client``).
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from federation.errors import FederationError, ForkedSessionError, PolicyRefusedError, SiteUnavailableError
from federation.protocol.error_codes import from_wire
from federation.protocol.exchange import checked, expect, poll, receive, send
from federation.protocol.messages import Ack, Failed, Withdraw
from smpc.errors import PartyLostError, PeerRejectedError, SmpcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message
    from federation.protocol.messages import Accepted

DIAL_S = 5.0
M = TypeVar("M")


class Exchange:
    """Channels to several nodes, used by one thread."""

    def __init__(self, network: Network, channels: dict[str, Channel]) -> None:
        """Wrap the channels."""
        self._network, self.channels = network, channels

    def ask_one(self, name: str, message: Message, kind: type[M], *, timeout_s: float) -> M:
        """Send a message to one node and wait for its answer."""
        send(self.channels[name], message)
        return expect(self.channels[name], self._network, kind, timeout_s=timeout_s)

    def ask_all(self, message: Message, kind: type[M], *, timeout_s: float) -> list[M]:
        """Send one message to every node, then wait for all answers.

        Returns:
            The answers in the order of the nodes.

        Raises:
            The error of the highest rank among those received.
        """
        errors = self.send(tuple(self.channels), message)
        answers: dict[str, M] = {}
        for name, channel in self.channels.items():
            if name in errors:
                continue
            try:
                answers[name] = expect(channel, self._network, kind, timeout_s=timeout_s)
            except Exception as error:  # noqa: BLE001
                errors[name] = error
        if errors:
            raise highest_ranked(errors)
        return [answers[name] for name in self.channels]

    def send(self, names: Sequence[str], message: Message) -> dict[str, Exception]:
        """Send one message to several nodes, and wait for nothing; the errors by node."""
        errors: dict[str, Exception] = {}
        for name in names:
            try:
                send(self.channels[name], message)
            except SmpcError as error:
                errors[name] = error
        return errors

    def expect(self, name: str, kind: type[M], *, timeout_s: float) -> M:
        """Wait for a message of one kind from one node."""
        return expect(self.channels[name], self._network, kind, timeout_s=timeout_s)

    def collect(self, kind: type[M], ends_at: float) -> tuple[dict[str, M], dict[str, Exception]]:
        """Take the messages of one kind that come until a time (s, monotonic); the messages and the errors by node.

        A node in neither has sent nothing yet.
        """
        answers: dict[str, M] = {}
        errors: dict[str, Exception] = {}
        for name, channel in self.channels.items():
            try:
                message = poll(channel, ends_at - time.monotonic())
                if message is not None:
                    answers[name] = checked(message, kind, peer=name)
            except Exception as error:  # noqa: BLE001
                errors[name] = error
        return answers, errors

    def release(self, names: Sequence[str], timeout_s: float) -> dict[str, Exception]:
        """Withdraw the last request at several nodes; the errors that they had answered meanwhile, by node."""
        errors = self.send(names, Withdraw())
        for name in [name for name in names if name not in errors]:
            try:
                message = receive(self.channels[name], self._network, timeout_s=timeout_s)
                while not isinstance(message, Ack):
                    if isinstance(message, Failed):
                        errors[name] = from_wire(message.code, message.fields, site=name)
                    message = receive(self.channels[name], self._network, timeout_s=timeout_s)
            except SmpcError as error:
                errors[name] = error
        return errors


def find_sequencer(accepted: Mapping[str, Accepted]) -> str:
    """The site that enters charges: the one that names itself the sequencer, otherwise the one named most often.

    Args:
        accepted: the sites' answers, by site. A wrong choice only leads to a refusal.

    Returns:
        The name of a site.
    """
    own = [site for site, answer in accepted.items() if answer.sequencer == site]
    if len(own) == 1:
        return own[0]
    named = [answer.sequencer for answer in accepted.values()]
    return max(sorted(accepted), key=named.count)


def highest_ranked(errors: dict[str, Exception]) -> Exception:
    """The error of the highest rank: a refusal, then a peer reported lost by another node, then the rest.

    Of several reports, one that names a peer whose own channel is lost too comes first.
    """
    lost = {
        name for name, error in errors.items() if isinstance(error, PartyLostError) and error.name == name
    }

    def weight(item: tuple[str, Exception]) -> tuple[int, bool, str]:
        name, error = item
        if isinstance(error, PolicyRefusedError):
            return (0, False, name)
        if isinstance(error, PartyLostError):
            return (2 if error.name != name else 3, error.name not in lost, name)
        if isinstance(error, PeerRejectedError | SiteUnavailableError):
            return (4, False, name)
        return (1, False, name)

    return min(errors.items(), key=weight)[1]


class ChannelPool:
    """Open channels, idle until the next question."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        """Start without channels; ``names`` are the sites, in rank order."""
        self._network, self._names = network, tuple(names)
        self._lock = threading.Lock()
        self._idle: dict[str, list[Channel]] = {}
        self._is_closed = False
        self._process = os.getpid()

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process opened the pool: a forked child shares the sockets but has none of the threads."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Refuse use in a forked process, which lacks the threads of the pool.

        Raises:
            ForkedSessionError: the session was opened in another process.
        """
        if not self.is_of_this_process:
            raise ForkedSessionError

    @contextmanager
    def question(self, names: Sequence[str]) -> Iterator[Exchange]:
        """Lend one channel to each of the named nodes.

        Raises:
            FederationError: the session is closed, or was opened in another process (ForkedSessionError).
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
        """Close the idle channels; lent channels are closed when they are returned."""
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
