"""What doctor makes of every answer that a node can give."""

import time
from types import SimpleNamespace

import msgspec
import pytest

from federation.doctor import examine_nodes
from federation.messages import Health
from federation.node.site import installed_version
from smpc.errors import PartyLostError

DIGEST = "ab" * 32


def health(name, **changes):
    good = Health(
        name=name,
        role="site",
        version=installed_version(),
        configuration=DIGEST,
        clock_s=int(time.time()),
        is_ready=True,
        reason="",
        ledger_number=4,
        ledger_head="cd" * 32,
        hears={other: True for other in ("anna", "bert", "carl") if other != name},
    )
    return msgspec.structs.replace(good, **changes)


def examined(**changes):
    answers = {name: health(name) for name in ("anna", "bert", "carl")}
    for name, change in changes.items():
        answers[name] = change if isinstance(change, Exception) else health(name, **change)
    session = SimpleNamespace(
        consortium=SimpleNamespace(digest=lambda: DIGEST), health=lambda: answers, left_out=lambda: ("dora",)
    )
    return examine_nodes(session)


def mends(**changes):
    return {finding.what: finding.text for finding in examined(**changes) if not finding.is_good}


def test_cli_doctor_is_content_with_equal_ready_nodes():
    assert mends() == {}
    assert any("equal, 5 entries" in finding.text for finding in examined())


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        ({"configuration": "00" * 32}, "node bert", "another consortium file"),
        ({"version": "0.0.1"}, "node bert", "version 0.0.1"),
        ({"is_ready": False, "reason": "still reading"}, "node bert", "still reading"),
        ({"clock_s": int(time.time()) + 3600}, "clock of bert", "set it"),
        ({"clock_s": 0}, "clock of bert", "set it"),
        ({"hears": {"anna": True, "carl": False}}, "connection bert to carl", "firewalls"),
        ({"ledger_head": "ef" * 32}, "ledgers", "different entries 4"),
        (PartyLostError(name="bert"), "node bert", "start it"),
    ],
)
def test_cli_doctor_names_the_node_and_the_remedy(change, what, said):
    found = mends(bert=change)
    assert set(found) == {what}
    assert said in found[what]


def test_cli_doctor_calls_a_fork_a_fork_and_behind_behind():
    assert "anna, carl and bert" in mends(bert={"ledger_head": "00" * 32})["ledgers"]
    late = examined(bert={"ledger_number": 2, "ledger_head": "11" * 32})
    ledgers = next(finding for finding in late if finding.what == "ledgers")
    assert ledgers.is_good
    assert "bert lacks entries" in ledgers.text
    gone = {name: PartyLostError(name=name) for name in ("anna", "bert", "carl")}
    assert "no site answers" in mends(**gone)["ledgers"]
