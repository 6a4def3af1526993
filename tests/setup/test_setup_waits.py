"""A wait at the key holder ends with its caller, its deadline or the node; each party has a limited number."""

import threading
import time

import pytest

from federation.aggregation.opened_sums import OpenedSums
from federation.aggregation.service import MOST_WAITS, OPEN, KeyHolderService
from federation.consortium.consortium_file import load_consortium
from federation.errors import SiteUnavailableError
from federation.identity.certificates import Identity
from federation.network.tls import TlsNetwork
from federation.protocol.exchange import call, send
from federation.protocol.training_messages import DecryptedSum, SumAsk
from smpc.transport.liveness import Liveness

NEVER = SumAsk(run="ab" * 32, round_number=0, attempt=0, wait_ms=600_000)  # no such run was ever charged
SOON_S = 5.0  # of 600 s that were asked for


@pytest.fixture
def consortium(consortium_folder, no_threads_left):
    return load_consortium(consortium_folder.consortium)


@pytest.fixture
def holder(consortium, consortium_folder, tmp_path):
    """The service alone, at a node's end of the network; it opens nothing here."""
    node = TlsNetwork(consortium=consortium, identity=Identity.load(consortium_folder.site_identity("anna")))
    opened = OpenedSums(tmp_path / "sums.sqlite")
    service = KeyHolderService(
        name="anna",
        network=node,
        agree=None,
        holder=None,
        opened=opened,
        aggregator="aggregator",
        deadline_s=600.0,
    )
    service.serve()
    yield service
    node.close()
    opened.close()


@pytest.fixture
def analyst(consortium, consortium_folder, holder):
    client = TlsNetwork(consortium=consortium, identity=Identity.load(consortium_folder.analyst("analyst")))
    yield client
    client.close()


def wait_for(condition):
    ends_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def waits(holder):
    return holder._waiting["analyst"]


def begin(analyst, holder, number):
    lines = [analyst.dial("anna", OPEN, 10) for _ in range(number)]
    for line in lines:
        send(line, NEVER)
    wait_for(lambda: waits(holder) == number)
    return lines


def test_setup_waits_end_with_their_caller(analyst, holder):
    """The attack: ask for the sum of a run that never was, and leave; ten minutes a thread and a socket each."""
    lines = begin(analyst, holder, 3)
    lines[0].close()
    wait_for(lambda: waits(holder) == 2)
    for line in lines[1:]:
        line.close()
    wait_for(lambda: waits(holder) == 0)


def test_setup_waits_are_no_longer_than_the_deadline(analyst, holder):
    holder._deadline_s = 0.3
    with pytest.raises(SiteUnavailableError, match="no sum of round 0"):
        call(analyst, "anna", OPEN, NEVER, DecryptedSum, timeout_s=60)


def test_setup_waits_of_one_party_are_limited(analyst, holder):
    lines = begin(analyst, holder, MOST_WAITS)
    with pytest.raises(SiteUnavailableError, match=f"waits for {MOST_WAITS} sums here, the most"):
        call(analyst, "anna", OPEN, NEVER, DecryptedSum, timeout_s=60)
    for line in lines:
        line.close()


def test_setup_waits_do_not_delay_a_stopping_node(analyst, holder):
    begin(analyst, holder, 8)
    begun = time.monotonic()
    closing = threading.Thread(target=holder._network.close)
    closing.start()
    closing.join(SOON_S)
    assert not closing.is_alive(), time.monotonic() - begun


def test_setup_waits_for_a_node_that_is_not_there_end_when_this_one_stops():
    liveness, found = Liveness(["bert"]), []
    waiting = threading.Thread(target=lambda: found.append(liveness.wait_alive(["bert"], 600.0)))
    waiting.start()
    liveness.stop()
    waiting.join(SOON_S)
    assert found == ["bert"]
