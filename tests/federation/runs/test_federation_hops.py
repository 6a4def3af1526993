"""One question takes five one-way trips: messages are counted along the chain of those that depend on each other."""

import struct
import threading
from collections import Counter

import pytest
from hospitals import BY_SEX, NAMES, in_threads

from federation.network.in_memory import MemoryChannel, MemoryExchange
from federation.protocol.codec import decode
from federation.protocol.messages import Charged, LedgerReply, Share

QUESTIONS = {
    "mean": "SELECT AVG(age) AS m FROM patients",
    "count": "SELECT COUNT(*) AS n FROM patients",
    "variance": "SELECT VAR_POP(age) AS v FROM patients",
}


class Trips:
    """Stamps every control message: one trip after the latest message that its sender has received.

    Receipts of complete entries are left out: no site waits for them.
    """

    def __init__(self):
        self.lock, self.exchange = threading.Lock(), None
        self.latest, self.arrived = Counter(), []

    def begin(self):
        with self.lock:
            self.latest.clear()
            self.arrived.clear()

    def owner(self, channel):
        if not hasattr(channel, "owner"):
            with self.exchange._lock:
                owned = self.exchange._channels.items()
                channel.owner = next(name for name, own in owned if any(each is channel for each in own))
        return channel.owner

    def sent(self, channel, message):
        owner = self.owner(channel)
        with self.lock:
            return struct.pack("<I", self.latest[owner] + 1) + message

    def received(self, channel, data):
        (trip,), message = struct.unpack("<I", data[:4]), data[4:]
        found, owner = decode(message), self.owner(channel)
        if not (isinstance(found, LedgerReply) and not found.reply):
            with self.lock:
                self.latest[owner] = max(self.latest[owner], trip)
                self.arrived.append((owner, type(found), trip))
        return message

    def at(self, owner, kind):
        with self.lock:
            return sorted(trip for name, found, trip in self.arrived if (name, found) == (owner, kind))


@pytest.fixture
def trips(monkeypatch):
    found = Trips()
    dial, send, receive = MemoryExchange.dial, MemoryChannel.send, MemoryChannel.receive

    def dialed(self, *arguments):
        found.exchange = self
        return dial(self, *arguments)

    monkeypatch.setattr(MemoryExchange, "dial", dialed)
    monkeypatch.setattr(MemoryChannel, "send", lambda self, message: send(self, found.sent(self, message)))
    monkeypatch.setattr(
        MemoryChannel, "receive", lambda self, timeout_s: found.received(self, receive(self, timeout_s))
    )
    return found


def fewest(trips, ask):
    """The trips of the charge and of the shares; the fewest of some questions.

    A trip is counted too many where a site posts to one site after the answer of another has come, which happens by
    chance in its threads and not because one waits for the other.
    """
    found = []
    for _ in range(4):
        trips.begin()
        ask()
        found.append((trips.at("analyst", Charged), trips.at("analyst", Share)))
    return min(found)


def test_a_question_takes_five_trips_besides_the_rounds_of_its_session(trips):
    """To the sites, the proposal, the signatures, the entry, the shares: no site waits for the analyst in between."""
    with in_threads() as session:
        for sql in QUESTIONS.values():
            charged, shares = fewest(trips, lambda sql=sql: session.sql(sql, epsilon=0.1, fresh=True))
            assert charged == [4]
            assert shares == [4, 5, 5, 5]  # the sequencer's own leaves with the entry
        charged, shares = fewest(trips, lambda: session.sql(BY_SEX, exact=True))
        assert (charged, max(shares)) == ([4], 5)


def test_each_site_receives_one_message_of_the_analyst_for_each_question(trips):
    with in_threads() as session:
        session.sql(QUESTIONS["count"], epsilon=0.1, fresh=True)
        trips.begin()
        session.sql(QUESTIONS["mean"], epsilon=0.1, fresh=True)
        kinds = {name: [kind.__name__ for own, kind, _ in trips.arrived if own == name] for name in NAMES}
    for name in NAMES[1:]:
        assert sorted(kinds[name]) == ["LedgerPost", "LedgerPost", "RunRequest"]
    assert sorted(kinds["cleveland"]) == ["LedgerReply"] * (len(NAMES) - 1) + ["RunRequest"]
