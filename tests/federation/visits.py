"""One visit to all sites by hand, so that a test can stop in the middle, or send what no client sends."""

import threading
from contextlib import contextmanager

from hospitals import NAMES

from federation.protocol.exchange import send
from federation.protocol.messages import Ack, Charged, RunRequest, Share, Withdraw

SEQUENCER = "cleveland"


def to_all(lines, ask, *, names=NAMES, sequencer=SEQUENCER):
    """Send a signed request to sites, the sequencer last, as a client does."""
    message = RunRequest(ask=ask, sequencer=sequencer)
    for name in sorted(names, key=lambda name: name == sequencer):
        send(lines.channels[name], message)


def entry_of(lines, *, sequencer=SEQUENCER, timeout_s=20):
    """The complete entry, as the sequencer answers."""
    return lines.expect(sequencer, Charged, timeout_s=timeout_s).entry


def share_of(lines, name, *, timeout_s=30):
    """One site's answer."""
    return lines.expect(name, Share, timeout_s=timeout_s)


def visited(lines, ask, *, names=NAMES):
    """One whole visit: the entry and the shares."""
    to_all(lines, ask)
    entry = entry_of(lines)
    return entry, [share_of(lines, name) for name in names]


def withdraw(lines, name):
    """Let a site go; the site answers nothing else any more."""
    return lines.ask_one(name, Withdraw(), Ack, timeout_s=5)


@contextmanager
def runs_held(session, names=NAMES):
    """Charged runs do not start, at these sites of a consortium of threads, before the event is set."""
    go, real = threading.Event(), {}
    for name in names:
        queries = session.nodes[name]._services.queries
        real[name] = queries._run

        def held(*arguments, run=real[name]):
            assert go.wait(60)
            run(*arguments)

        queries._run = held
    try:
        yield go
    finally:
        go.set()
        for name in names:
            session.nodes[name]._services.queries._run = real[name]
