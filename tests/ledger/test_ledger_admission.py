"""Checks of a site on a proposed body, rare entry kinds, and the race for the last units (P3, P4)."""

import dataclasses
import threading
from fractions import Fraction

import pytest

from privacy_accounting.errors import BudgetExceededError, LedgerRefusedError
from privacy_accounting.events import DistributedDiscreteGaussian, RepeatAndSelect
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.contents import BudgetChange, MembersChange, Snapshot
from privacy_accounting.ledger.entries import public_hex
from privacy_accounting.ledger.merkle import merkle_root
from privacy_accounting.ledger.messages import (
    Proposal,
    Refused,
    Signed,
)
from privacy_accounting.ledger.pricing import own_price, stated_price
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Draft, DraftsRefusedError, Sequencer
from privacy_accounting.ledger.storage.store import MemoryStore, Table
from privacy_accounting.rdp import cost_units
from tests.ledger.ledger_world import (
    NAMES,
    RELATION,
    World,
    a_budget,
    a_charge,
    a_genesis,
    admit_all,
    cancel_of,
    complete_of,
    consider,
    key_of,
    propose,
)

# -- what a site checks itself -------------------------------------------------------------------------------


def test_p3_a_price_below_the_events_cost_is_refused_by_every_site(world):
    honest = a_charge(world.budget)
    lower = (("cost", honest.cost // 2), ("cost_all_but_one", 1), ("pure_epsilon", 0))
    for ballot, (field, value) in enumerate(lower):
        charge = dataclasses.replace(honest, **{field: value})
        with pytest.raises(DraftsRefusedError, match="priced lower"):
            propose(world, charge)
        body = world.sequencer._place([Draft(cohort=NAMES, content=charge)])[0][0]
        for name in ("basel", "cairo"):
            proposal = Proposal(
                chain=world.genesis.chain, number=1, ballot=ballot, sender="ankara", bodies=(body,)
            ).signed_by(key_of("ankara"))
            answer = consider(world, name, proposal.to_bytes())
            assert isinstance(answer, Refused)
            assert "priced lower" in answer.refusals[0].fields["reason"]


def test_p4_the_price_at_all_but_one_colluding_site_is_that_of_one_honest_site():
    event = DistributedDiscreteGaussian(parties=4, colluding=1, sigma2_local=100, l1=1, l2=1, dim=1)
    nested = RepeatAndSelect(inner=event, mean=10, shape=1)
    for stated in (event, nested):
        price = stated_price([stated], Fraction(8), RELATION)
        assert price.cost_all_but_one > 1.4 * price.cost
        assert price.covers(own_price([stated], Fraction(8), RELATION))
    honest = dataclasses.replace(event, colluding=3)
    assert own_price([event], Fraction(8), RELATION).cost_all_but_one == cost_units(
        [honest], Fraction(8), RELATION
    )


@pytest.mark.parametrize("factor", [Fraction(1, 2), Fraction(2)])
def test_p4_a_charge_at_another_order_is_refused(world, factor):
    """Whatever it costs there: a lower order is cheaper, and honestly priced."""
    charge = a_charge(world.budget)
    order = charge.order * factor
    price = stated_price(charge.parsed_events, order, RELATION)
    assert (price.cost < charge.cost) is (factor < 1)
    other = dataclasses.replace(charge, order=order, cost=price.cost, cost_all_but_one=price.cost_all_but_one)
    assert "order" in world.agree(other).refusals[0]["ankara"].fields["reason"]
    assert world.agree(charge).entries


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_body_dated_away_from_the_sites_clock_is_refused(world, offset):
    data = propose(world, a_charge(world.budget))
    world.now += offset
    answer = consider(world, "basel", data)
    assert isinstance(answer, Refused)
    assert "clock" in answer.refusals[0].fields["reason"]


def test_time_never_runs_backwards_in_the_chain(world):
    first = world.agree(a_charge(world.budget)).entries[0]
    world.now -= 100
    second = world.agree(a_charge(world.budget)).entries[0]
    assert second.body.time == first.body.time
    body = dataclasses.replace(second.body, number=3, previous=second.hash.hex(), time=first.body.time - 1)
    with pytest.raises(LedgerRefusedError, match="dated before"):
        world.sites["basel"].replica.catch_up([complete_of(body.to_bytes()).to_bytes()], source="ankara")


def test_a_cohort_outside_the_members_or_too_small_is_refused(world):
    query, training = a_charge(world.budget), a_charge(world.budget, run="r")
    assert world.agree(query, cohort=("ankara", "basel")).refusals
    for cohort in (("ankara",), ("ankara", "delhi")):
        assert world.agree(training, cohort=cohort).refusals


def test_an_unexpected_error_propagates_and_nothing_is_signed(world):
    data = propose(world, a_charge(world.budget))

    def broken(body):
        raise ZeroDivisionError

    site = world.sites["basel"]
    with pytest.raises(ZeroDivisionError):
        site.replica.consider(data, broken)
    assert site.store.notes(Table.ANSWERS, first=1) == []
    assert isinstance(consider(world, "basel", data), Signed)


def test_the_callers_own_errors_can_count_as_refusals(world):
    class PolicyError(Exception):
        wire_name = "PolicyError"

        def __init__(self, *, site, rule):
            self.site, self.rule = site, rule

    site = world.sites["basel"]
    site.replica = Replica(site.store, key_of("basel"), world.clock, refusals=(PolicyError,))

    def policy(body):
        raise PolicyError(site="basel", rule="minimum_cell 10")

    site.admit = policy
    refusal = world.agree(a_charge(world.budget)).refusals[0]["basel"]
    assert (refusal.code, refusal.fields) == ("PolicyError", {"site": "basel", "rule": "minimum_cell 10"})


def test_a_site_with_another_key_than_the_chains_does_not_sign(world):
    site = world.sites["basel"]
    site.replica = Replica(site.store, key_of("impostor"), world.clock)
    data = propose(world, a_charge(world.budget))
    with pytest.raises(LedgerRefusedError, match="key"):
        site.replica.consider(data, admit_all)


# -- the rarer kinds -----------------------------------------------------------------------------------------


def test_budget_entries_raise_and_add_and_are_signed_by_all(world):
    world.agree(a_charge(world.budget))
    spent = world.head.replica.privacy_filter.spent("cardiology", "query")
    order = world.budget.sub_budgets["query"].order
    raised = a_budget(epsilon=4)
    assert world.agree(BudgetChange(population="oncology", budget=raised)).entries
    assert world.agree(a_charge(world.budget, population="oncology")).entries
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == spent
    other = a_budget(epsilon=8)
    assert other.sub_budgets["query"].order != order
    result = world.agree(BudgetChange(population="cardiology", budget=other))
    assert "changes its order" in result.refusals[0]["ankara"].fields["reason"]
    assert world.agree(BudgetChange(population="x", budget=raised), cohort=("ankara", "basel")).refusals
    assert world.agree(BudgetChange(population="y", budget=raised), a_charge(world.budget)).refusals


def test_order_entries_price_the_past_anew(world):
    world.agree(a_charge(world.budget), a_charge(world.budget, analyst="bob"))
    book = world.head.replica.privacy_filter
    order = world.budget.sub_budgets["query"].order * 2
    purposes, analysts = book.repriced("cardiology", "query", order)
    change = OrderChange(
        population="cardiology",
        sub_budget="query",
        order=order,
        allowance=10**11,
        purposes=purposes,
        analysts=analysts,
    )
    cheaper = dataclasses.replace(change, purposes={"audit": 5}, analysts={"ada": 5})
    assert world.agree(cheaper).refusals
    below = analysts["ada"] // 10**9 + 2  # one unit more than another mathematics library may differ by
    a_little_cheaper = dataclasses.replace(
        change,
        purposes={"audit": purposes["audit"] - below},
        analysts=analysts | {"ada": analysts["ada"] - below},
    )
    assert "counts less" in world.agree(a_little_cheaper).refusals[0]["ankara"].fields["reason"]
    assert world.agree(dataclasses.replace(change, allowance=2**60)).entries == {}
    assert world.agree(change).entries
    assert book.spent("cardiology", "query") == sum(purposes.values())
    # A charge from before was counted at the old order and cannot be given back at it.
    assert world.agree(cancel_of(world.entries()[1])).refusals


def test_snapshot_entries_pin_the_folded_state(world):
    world.agree(a_charge(world.budget))
    hashes = [entry.hash for entry in world.entries()]
    right = Snapshot(entries=2, root=merkle_root(hashes), state=world.head.replica.core.state.digest())
    assert world.agree(dataclasses.replace(right, state="00" * 32)).refusals
    assert world.agree(dataclasses.replace(right, root="00" * 32)).refusals
    assert world.agree(right).entries


def test_merkle_root_is_that_of_rfc_6962():
    import hashlib

    def tree(leaves):
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        half = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()

    for count in range(1, 20):
        leaves = [bytes([n]) * 32 for n in range(count)]
        assert merkle_root(leaves) == tree(leaves).hex()


def test_members_are_added_rekeyed_and_the_office_moves(world):
    delhi = MembersChange(change="add", name="delhi", key=public_hex(key_of("delhi")), sequencer="ankara")
    new = [*NAMES, "delhi"]
    world.sites["delhi"] = type(world.head)(world, "delhi", MemoryStore(owner="delhi"))
    world.names = tuple(new)
    world.catch_up("delhi")
    assert world.agree(delhi, cohort=NAMES).refusals
    assert world.agree(delhi, cohort=new).entries
    assert world.agree(a_charge(world.budget)).entries
    moved = MembersChange(change="sequencer", name="basel", key="", sequencer="basel")
    assert world.agree(moved).entries
    with pytest.raises(LedgerRefusedError, match="sequencer is basel"):
        world.agree(a_charge(world.budget))
    world.sequencer_name = "basel"
    world.sequencer = Sequencer(world.sites["basel"].replica)
    world.sequencer.recover(world.heads())
    assert world.agree(a_charge(world.budget)).entries
    assert {site.replica.head for site in world.sites.values()} == {4}


def test_all_other_sites_remove_a_lost_sequencer_even_in_doubt(world):
    data = propose(world, a_charge(world.budget))
    consider(world, "cairo", data)
    world.head.up = False
    world.sequencer_name = "basel"
    world.sequencer = Sequencer(world.sites["basel"].replica)
    world.sequencer.recover({"cairo": 0})
    lose = MembersChange(change="lose", name="ankara", key="", sequencer="basel")
    world.names = ("basel", "cairo")
    assert world.agree(lose).entries
    assert world.sites["cairo"].replica.members == ("basel", "cairo")
    assert world.sites["cairo"].replica.in_doubt == ()
    assert world.agree(a_charge(world.budget)).entries


@pytest.mark.parametrize(
    "change",
    [
        MembersChange(change="lose", name="delhi", key="", sequencer="ankara"),
        MembersChange(change="add", name="basel", key=public_hex(key_of("x")), sequencer="ankara"),
        MembersChange(change="add", name="delhi", key=public_hex(key_of("basel")), sequencer="ankara"),
        MembersChange(change="lose", name="cairo", key="", sequencer="basel"),
        MembersChange(change="sequencer", name="delhi", key="", sequencer="delhi"),
        MembersChange(change="sequencer", name="basel", key="", sequencer="cairo"),
    ],
    ids=str,
)
def test_changes_of_members_that_do_not_fit_are_refused(world, change):
    for cohort in (NAMES, NAMES[:2], ("ankara", "basel", "cairo", "delhi")):
        assert world.agree(change, cohort=cohort).refusals


def test_a_consortium_keeps_two_members():
    world = World(("ankara", "basel")).found()
    lose = MembersChange(change="lose", name="basel", key="", sequencer="ankara")
    assert world.agree(lose, cohort=("ankara",)).refusals


# -- racing --------------------------------------------------------------------------------------------------


def test_p4_32_racing_requests_admit_exactly_the_affordable_number():
    budget = a_budget()
    price = a_charge(budget).cost
    affordable = budget.sub_budgets["query"].allowance // price
    world = World(budget=budget).found()
    for _ in range(affordable - 3):
        assert world.agree(a_charge(budget)).entries
    charges, results = [a_charge(budget) for _ in range(32)], []

    def ask(charge):
        drafts = [Draft(cohort=NAMES, content=charge)]
        results.append(agree(world.sequencer, drafts, admit_all, world.carry))

    threads = [threading.Thread(target=ask, args=(charge,)) for charge in charges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(result.entries) for result in results) == 3
    refused = [result for result in results if result.refusals]
    assert len(refused) == 29
    assert refused[0].refusals[0]["ankara"].code == BudgetExceededError.__name__
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == affordable * price


def test_p4_one_proposal_cannot_pass_the_allowance_together():
    budget = a_budget()
    price = a_charge(budget).cost
    affordable = budget.sub_budgets["query"].allowance // price
    world = World(budget=budget).found()
    result = world.agree(*[a_charge(budget) for _ in range(affordable + 5)])
    assert sorted(result.entries) == list(range(affordable))


def test_genesis_is_deterministic():
    assert a_genesis().to_bytes() == a_genesis().to_bytes()
