"""Predicts the effect of a fault at one exchange on every party, from the frames of a run without faults."""

import numpy as np

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.simulator import DEALER, Fault, FaultKind, party_names, simulate
from tests.smpc.every_crypten_call import CALLS, TOLERANCE
from tests.smpc.every_operation import fetched
from tests.smpc.joint import Sites

GONE = (FaultKind.KILL, FaultKind.PARTIAL, FaultKind.FREEZE)
WRONG = (FaultKind.TRUNCATE, FaultKind.EXTEND, FaultKind.EXTRA)
LONG_S = 30.0


def run(name, n, *faults, timeout_s=LONG_S, service=None, **more):
    """A session of ``n`` parties, or of ``Sites`` without a dealer."""
    return simulate(
        fetched(name, n),
        int(n),
        faults=faults,
        prefetch=False,
        has_three_sites=isinstance(n, Sites),
        dealer=service,
        timeout_s=timeout_s,
        **more,
    )


def undisturbed(name, n, service=None):
    """A run without a fault, after checking that all parties have one answer and are in step."""
    outcome = run(name, n, service=service)
    told = [value for value in outcome.values() if value is not None]
    for value in told:
        np.testing.assert_array_equal(value, told[0])
    assert len({len(outcome.sent[party]) for party in outcome.names}) == 1
    return outcome


def same(name, value, answer):
    """The whole answer; of two runs of CrypTen the last bits differ."""
    if value is None or answer is None:
        assert value is answer
    else:
        np.testing.assert_allclose(value, answer, rtol=0, atol=TOLERANCE if name in CALLS else 0)


def struck(n, at, kind, turn=0, **more):
    return Fault(party=party_names(int(n))[(at + turn) % int(n)], at_round=at, kind=kind, **more)


def bites(fault, whole):
    """Whether the fault has an effect: only a frame that is sent can be altered, only one with content can be cut."""
    return fault.kind in GONE or bool(_spoiled(fault, whole))


def stops(fault, whole):
    """At which exchange those end who miss a frame then; who is not named here may come to the end."""
    sent, victim = whole.sent, fault.party
    spoiled = _spoiled(fault, whole)
    stopped = {victim: fault.at_round} if fault.kind in GONE else {}

    def is_missing(sender, receiver, at):
        if sender == victim and at == fault.at_round:
            return receiver in spoiled
        return stopped.get(sender, at) < at  # who ends at an exchange has sent its frames there

    for at in range(fault.at_round, len(sent[victim])):
        asking = [party for party in whole.names if DEALER in sent[party][at].outgoing]
        if any(is_missing(party, DEALER, at) for party in asking):
            stopped.setdefault(DEALER, at - 1)  # it answers when it has heard all
        now = [
            party
            for party in whole.names
            if party not in stopped and any(is_missing(peer, party, at) for peer in sent[party][at].expected)
        ]
        stopped.update(dict.fromkeys(now, at))
    return stopped


def finds_all(fault, whole):
    """Whether a silent party that wakes when the others are gone finds all their frames there, the last ones included."""
    ends = stops(fault, whole)
    later = enumerate(whole.sent[fault.party])
    return all(
        ends.get(peer, at) >= at for at, sent in later for peer in sent.expected if at >= fault.at_round
    )


def check(name, outcome, fault, whole):
    """Every other party raises the right error with the right name, and sees no number but the whole answer at the end."""
    ends = stops(fault, whole)
    for party in outcome.names:
        if party in outcome.results:
            assert party not in ends
            same(name, outcome.results[party], whole.results[party])
        elif party != fault.party:
            error = outcome.errors[party]
            assert isinstance(
                error, PartyLostError if fault.kind in GONE else (PartyLostError, PeerRejectedError)
            ), repr(error)
            assert error.name == fault.party
        # whoever has not got a frame goes no further: nothing more is opened
        if party in ends:
            assert len(outcome.sent[party]) <= ends[party] + 1
    # a party that alters its own last frame still gets the others'; of the peers of a party that dies while it sends its
    # last frames, one has them all
    learned = [party for party, value in outcome.results.items() if value is not None]
    assert len(learned) <= 1
    assert not learned or fault.at_round == len(whole.sent[fault.party]) - 1
    assert all((party == fault.party) == (fault.kind in WRONG) for party in learned)


def _spoiled(fault, whole):
    """The parties that get no frame of that exchange, or an altered one."""
    frames = whole.sent[fault.party][fault.at_round].outgoing
    match fault.kind:
        case FaultKind.PARTIAL:
            return list(frames)[len(frames) // 2 :]
        case FaultKind.TRUNCATE:
            return [party for party, frame in frames.items() if frame]
        case _:
            return list(frames)
