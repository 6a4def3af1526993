"""Two parties of a session who intersect, with helpers that cheat."""

import hashlib

from smpc.errors import PeerRejectedError
from smpc.set_intersection.protocol import SetIntersection
from smpc.set_intersection.worker import GOOD, done
from smpc.simulator import simulate


def digest(number):
    return hashlib.sha256(f"patient {number}".encode()).digest()


def digests(numbers):
    return b"".join(digest(number) for number in numbers)


class Names:
    """Signs with the party's name as its key."""

    def __init__(self, own):
        self.own = own

    def sign(self, data):
        return hashlib.sha512(self.own.encode() + data).digest()

    def has_signed(self, party, data, signature):
        return signature == hashlib.sha512(party.encode() + data).digest()


class Here:
    """Works in this process; ``cheat`` changes a result."""

    def __init__(self, cheat=None):
        self.cheat = cheat

    def map(self, work, scalar, blocks):
        for block in blocks:
            state, result = done(work, scalar, block)
            if state != GOOD:
                raise PeerRejectedError(reason="an element of the set intersection is the identity")
            yield self.cheat(work, result) if self.cheat else result


def intersect(
    sets, *, size=20, learns="rows", n_parties=2, kinds=(SetIntersection, SetIntersection), cheat=None
):
    """Run; ``kinds`` are the classes of the parties, ``cheat`` is of the second one's workers."""

    def joint(session):
        if session.rank > 1:
            return None
        own = session.names[session.rank]
        return kinds[session.rank](
            session,
            session.names[1 - session.rank],
            size=size,
            learns=learns,
            signer=Names(own),
            workers=Here(cheat if session.rank == 1 else None),
        ).run(digests(sets[session.rank]))

    return simulate(joint, n_parties, prefetch=False, timeout_s=5)
