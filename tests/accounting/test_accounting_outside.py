"""Exports for external accountants, with the real programs if the oracle environment exists, else with a stand-in."""

import json
import subprocess
import sys
import types
from fractions import Fraction
from pathlib import Path

import pytest

from privacy_accounting import events as ev
from privacy_accounting.audit import external_accountants
from privacy_accounting.audit.price import price_document
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Relation
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore
from tests.ledger.ledger_world import World, a_budget, a_charge

ROOT = Path(__file__).parents[2]
ORACLES = ROOT / ".venv-oracles" / "bin" / "python"
PROGRAM = """
import json, sys
from fractions import Fraction
from privacy_accounting.audit.external_accountants import external_price
from privacy_accounting.events import Relation, event_from_dict
found = []
for row in json.load(sys.stdin):
    events = [event_from_dict(event) for event in row["events"]]
    opinion = external_price(events, Fraction(row["delta"]), Relation(row["relation"]))
    found.append([opinion.own, opinion.rdp, opinion.pld])
json.dump(found, sys.stdout)
"""
RECOMPUTE = """
import json, sys
from pathlib import Path
from privacy_accounting.audit.recompute import recompute
json.dump(recompute(Path(sys.argv[1])).to_dict(), sys.stdout)
"""


@pytest.fixture
def stand_in(monkeypatch):
    """A dp_accounting whose events are tuples."""

    def maker(name):
        return lambda *arguments: (name, *arguments)

    module = types.ModuleType("dp_accounting.dp_event")
    for name in [
        "Gaussian",
        "Laplace",
        "DiscreteLaplace",
        "SelfComposed",
        "Composed",
        "ZC",
        "NoOp",
        "PoissonSampled",
        "RandomizedResponse",
        "RepeatAndSelect",
        "SampledWithoutReplacement",
        "SingleEpochTreeAggregation",
    ]:
        setattr(module, f"{name}DpEvent", maker(name))
    monkeypatch.setitem(sys.modules, "dp_accounting", types.ModuleType("dp_accounting"))
    monkeypatch.setitem(sys.modules, "dp_accounting.dp_event", module)


def test_sensitivities_are_doubled_by_hand_under_replace_one(stand_in):
    event = ev.Gaussian(noise_multiplier=2, count=3)
    assert external_accountants.to_dp_event(event, Relation.ADD_OR_REMOVE_ONE) == (
        "SelfComposed",
        ("Gaussian", 2.0),
        3,
    )
    assert external_accountants.to_dp_event(event, Relation.REPLACE_ONE) == (
        "SelfComposed",
        ("Gaussian", 1.0),
        3,
    )
    both = external_accountants.to_dp_events([event, ev.Pure(epsilon=0)], Relation.REPLACE_ONE)
    assert both == ("Composed", [("SelfComposed", ("Gaussian", 1.0), 3), ("NoOp",)])


def test_an_event_without_counterpart_is_exported_as_a_bound(stand_in):
    add = Relation.ADD_OR_REMOVE_ONE
    assert external_accountants.to_dp_event(ev.Exponential(epsilon=2), add) == ("ZC", 0.5, 0.0)
    assert external_accountants.to_dp_event(ev.TopK(epsilon=2, k=4), add) == ("ZC", 2.0, 0.0)
    assert external_accountants.to_dp_event(ev.DiscreteGaussian(sigma2=16, l2_sensitivity=2), add) == (
        "Gaussian",
        2.0,
    )
    share = ev.DistributedDiscreteGaussian(
        parties=3, colluding=1, sigma2_local=16, l1=1, l2=1, dim=1, count=7
    )
    kind, (name, rho, xi), count = external_accountants.to_dp_event(share, add)
    assert (kind, name, xi, count) == ("SelfComposed", "ZC", 0.0, 7)
    assert 1 / 64 <= rho < 1 / 64 * (1 + 1e-9)
    with pytest.raises(InvalidCostError):
        external_accountants.to_dp_event(ev.Threshold(inner=ev.Pure(epsilon=1), delta=0.1), add)


def test_without_the_library_nothing_is_asked():
    if external_accountants.is_installed():
        pytest.skip("dp-accounting is installed here")
    with pytest.raises(ModuleNotFoundError):
        external_accountants.to_dp_event(ev.Pure(epsilon=1), Relation.REPLACE_ONE)


def ask_outside(program, *arguments, given=""):
    """What a program prints as JSON in the environment that has dp-accounting."""
    if not ORACLES.exists():
        print("\n*** SECOND OPINION NOT TESTED: no .venv-oracles; make second-opinion ***")
        pytest.skip("no .venv-oracles; make second-opinion")
    done = subprocess.run(
        [ORACLES, "-B", "-c", program, *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    return json.loads(done.stdout)


def test_recompute_has_the_second_opinion_on_the_charges_of_a_real_ledger(tmp_path):
    budget = a_budget(epsilon=Fraction(8), shares=(("mining", Fraction(1, 4)), ("query", Fraction(3, 4))))
    path = tmp_path / "ankara.db"
    world = World(
        budget=budget,
        stores=lambda name: SqliteStore(path, owner=name) if name == "ankara" else MemoryStore(owner=name),
    ).found()
    for noise in (6, 8, 8, 20):
        assert world.agree(a_charge(budget, noise=noise)).entries
    assert world.agree(a_charge(budget, noise=40, sub_budget="mining")).entries
    world.sites["ankara"].store.close()
    found = ask_outside(RECOMPUTE, path)
    assert (found["ok"], found["charges"]) == (True, 5)
    assert [each["sub_budget"] for each in found["opinions"]] == ["mining", "query"]
    for opinion in found["opinions"]:
        assert (opinion["relation"], opinion["colluding"]) == ("add_or_remove_one", 1)
        assert opinion["pld"] * (1 - 1e-4) <= opinion["own"] <= opinion["rdp"] * (1 + 1e-9)
        assert opinion["difference"] <= 1e-9
    query = found["opinions"][1]
    noises = [{"mechanism": "gaussian", "noise_multiplier": str(noise)} for noise in (6, 8, 8, 20)]
    asked = price_document({"relation": "add_or_remove_one", "delta": query["delta"], "events": noises})
    assert query["own"] == pytest.approx(asked.epsilon, rel=1e-9)


def test_dp_accounting_itself_prices_the_exports_as_it_prices_its_own_events():
    rows = json.loads((ROOT / "tests/oracles/accounting/dp_accounting_numbers.json").read_text())["rows"]
    found = ask_outside(PROGRAM, given=json.dumps(rows))
    for row, (own, rdp, pld) in zip(rows, found, strict=True):
        if row["rdp"] is not None:
            assert rdp == pytest.approx(row["rdp"], rel=1e-9)
            assert own <= rdp * 1.01
        if pld is not None:
            assert pld == pytest.approx(row["pld"], rel=1e-6)
            assert own >= pld - 1e-4 * max(
                1, pld
            )  # its losses are rounded up to multiples of 1e-4; ours is exact
