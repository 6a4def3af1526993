"""Amendments of the agreement: applied with the approval of all administrators, or not at all."""

import json
import os
import signal
import threading
import time
import tomllib
from dataclasses import replace
from fractions import Fraction

import pandas as pd
import pytest

import federation
from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import (
    Amendment,
    raise_budget,
    remove_site,
    renew_site,
    transfer_sequencer,
)
from federation.errors import AmendmentRejectedError, ApprovalMissingError, PolicyRefusedError
from federation.node.ledger.storage import read_ledger
from federation.node.ledger.summary import read_state
from privacy_accounting.budget.allowance import allowance_units
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import BudgetChange, MembersChange
from privacy_accounting.ledger.entries import Body
from tests.cli.conftest import crossward, make_folder
from tests.ledger.ledger_world import CONSORTIUM, NAMES, World, an_exact
from tests.ledger.storage.test_ledger_checkpoint import a_history
from tests.operations.operations_world import SITES, asked, kinds, ledger, running, whole
from tests.setup.setup_world import SCHEMA

PRIVATE = "SELECT COUNT(*) AS n FROM visits"


@pytest.fixture
def folders(tmp_path):
    return make_folder(tmp_path / "here")


def propose(folders, out, *arguments, site="anna"):
    return ledger("propose", arguments[0], folders.site(site), "--out", out, *arguments[1:])


def proposed(folders, out, *arguments):
    ran = propose(folders, out, *arguments)
    assert (ran.code, ran.err) == (0, "")
    return out


def agree(folders, motion, *sites):
    for site in sites:
        ran = ledger("approve", folders.site(site), motion)
        assert (ran.code, ran.err) == (0, ""), ran


def enter(folders, motion):
    return ledger("apply", motion, "-c", folders.consortium)


def ask_private(folders, epsilon):
    return crossward("query", "-c", folders.consortium, PRIVATE, "--fresh", "--epsilon", epsilon)


def heads(folders):
    return [len(kinds(folders.ledger(site))) for site in SITES]


# -- over real processes ---------------------------------------------------------------------------------------------------


def test_a_budget_is_raised_by_all_and_the_refused_question_passes(folders, tmp_path):
    with running(folders):
        while (ran := ask_private(folders, "2")).code == 0:
            pass
        assert ran.code == 3
        assert "budget of visits refuses" in ran.err
        motion = proposed(
            folders, tmp_path / "raise.json", "raise-budget", "--population=visits", "--epsilon=8"
        )
        before = heads(folders)

        refused = enter(folders, motion)  # no approval yet
        assert refused.code == 3
        assert "not approved at anna" in refused.err
        agree(folders, motion, "anna", "carl")
        refused = enter(folders, motion)  # two did, one did not
        assert refused.code == 3
        assert "not approved at bert" in refused.err
        assert "nothing was changed" in refused.err
        assert heads(folders) == before
        assert ask_private(folders, "2").code == 3
        asked(folders)  # and nothing is in the way

        agree(folders, motion, "bert")
        told = json.loads(ledger("show", folders.site("bert"), "--json").out)
        assert [each["motion"] for each in told["agreed"]] == [
            Amendment.from_bytes(motion.read_bytes()).digest
        ]
        entered = enter(folders, motion)
        assert (entered.code, entered.err) == (0, "")
        assert "epsilon 8; signed by anna, bert, carl" in entered.out
        assert ask_private(folders, "2").code == 0

        again = enter(folders, motion)  # an old consent opens nothing
        assert again.code == 3
        assert "out of date" in again.err
        assert json.loads(ledger("show", folders.site("bert"), "--json").out)["agreed"] == []
    whole(*(folders.ledger(site) for site in SITES))
    assert kinds(folders.ledger("carl")).count("budget") == 1
    with running(folders):  # the raise outlives every process
        shown = json.loads(crossward("budget", "-c", folders.consortium, "--json").out)
        assert shown[0]["epsilon"] == "8"


@pytest.mark.slow
def test_queries_continue_in_one_session_across_a_sequencer_transfer(folders, tmp_path):
    with (
        running(folders) as nodes,
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        session.sql("SELECT COUNT(*) AS n FROM visits", epsilon=0.1, fresh=True)
        motion = proposed(folders, tmp_path / "over.json", "transfer-sequencer", "--to=bert")
        agree(folders, motion, *SITES)
        assert "signed by anna, bert, carl" in enter(folders, motion).out
        session.sql(
            "SELECT COUNT(*) AS n FROM visits", epsilon=0.1, fresh=True
        )  # the session that knew the old one
        asked(folders)
        assert "sequencer: bert" in ledger("show", folders.site("carl")).out

        for victim in ("bert", "anna"):  # the new one and the old one, killed and back
            nodes.kill(victim, signal.SIGKILL)
            nodes.restart(victim)
            asked(folders)
        old = enter(folders, motion)
        assert "out of date" in old.err

        back = proposed(folders, tmp_path / "back.json", "transfer-sequencer", "--to=anna")
        agree(folders, back, *SITES)
        assert enter(folders, back).code == 0
        session.sql("SELECT COUNT(*) AS n FROM visits", epsilon=0.1, fresh=True)
        asked(folders)
        # the same words as the first time, on another basis: the first consents do not fit
        third = proposed(folders, tmp_path / "third.json", "transfer-sequencer", "--to=bert")
        assert third.read_bytes() != motion.read_bytes()
        assert enter(folders, third).code == 3
    report = whole(*(folders.ledger(site) for site in SITES))
    assert report.behind == {}


@pytest.mark.slow
def test_queries_during_a_sequencer_transfer_are_answered_and_charged_once(folders, tmp_path):
    answered, errors, stop = [], [], threading.Event()

    def go_on_asking(session):
        while not stop.is_set():
            try:
                answered.append(session.sql(PRIVATE, epsilon=0.01, fresh=True).receipt["number"])
            except Exception as error:
                errors.append(error)

    with (
        running(folders),
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        threads = [threading.Thread(target=go_on_asking, args=(session,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number, site in enumerate(("bert", "carl", "anna")):
                motion = proposed(folders, tmp_path / f"{number}.json", "transfer-sequencer", f"--to={site}")
                agree(folders, motion, *SITES)
                entered = enter(folders, motion)
                assert (entered.code, entered.err) == (0, "")
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
    assert errors == []
    report = whole(*(folders.ledger(site) for site in SITES))
    assert report.behind == {}
    found = kinds(folders.ledger("carl"))
    assert found.count("members") == 3
    assert found.count("charge") == len(answered) > 6


@pytest.mark.slow
def test_a_sequencer_killed_during_an_amendment_enters_it_fully_or_not(folders, tmp_path):
    with running(folders) as nodes:
        for round_number in range(4):
            motion = proposed(
                folders,
                tmp_path / f"{round_number}.json",
                "raise-budget",
                "--population=visits",
                f"--epsilon={5 + round_number}",
            )
            agree(folders, motion, *SITES)
            entering = threading.Thread(target=enter, args=(folders, motion))
            entering.start()
            time.sleep(0.03 * round_number)
            nodes.kill("anna", signal.SIGKILL)
            entering.join(60)
            nodes.restart("anna")
            asked(folders)  # nothing is in the way, and everybody has caught up
            again = enter(folders, motion)
            assert again.code == 0 or "out of date" in again.err
            assert f"epsilon {5 + round_number};" in ledger("show", folders.site("carl")).out
    report = whole(*(folders.ledger(site) for site in SITES))
    assert report.behind == {}
    assert kinds(folders.ledger("bert")).count("budget") == 4


@pytest.mark.slow
def test_a_lost_sequencer_is_voted_out_by_all_others(folders, tmp_path):
    with running(folders) as nodes:
        asked(folders)
        nodes.kill("anna", signal.SIGKILL)
        motion = tmp_path / "lost.json"
        unnamed = propose(folders, motion, "remove-site", "--lost=anna", site="bert")
        assert unnamed.code == 3
        assert "name the next sequencer" in unnamed.err
        assert not motion.exists()
        ran = propose(folders, motion, "remove-site", "--lost=anna", "--to=carl", site="bert")
        assert ran.code == 0, ran.err
        agree(folders, motion, "carl")
        refused = enter(folders, motion)
        assert "not approved at bert" in refused.err
        nodes.restart("anna")
        agree(folders, motion, "bert")
        refused = enter(folders, motion)
        assert refused.code == 3
        assert "anna still answers" in refused.err
        asked(folders)
        nodes.kill("anna", signal.SIGKILL)
        entered = enter(folders, motion)
        assert (entered.code, entered.err) == (0, "")
        assert "signed by bert, carl" in entered.out
        assert "restart the nodes" in entered.out
        told = json.loads(ledger("show", folders.site("bert"), "--json").out)
        assert (told["members"], told["sequencer"]) == (["bert", "carl"], "carl")
        # and the two can change what only they have to agree to
        raised = proposed_by_two(folders, tmp_path / "raise.json")
        assert "signed by bert, carl" in enter(folders, raised).out
    report = whole(folders.ledger("bert"), folders.ledger("carl"))
    assert report.behind == {}


def proposed_by_two(folders, out):
    ran = propose(folders, out, "raise-budget", "--population=visits", "--epsilon=9", site="bert")
    assert ran.code == 0, ran.err
    agree(folders, out, "bert", "carl")
    return out


@pytest.mark.slow
def test_all_administrators_change_the_order_while_no_query_runs(folders, tmp_path):
    with running(folders):
        assert ask_private(folders, "0.5").code == 0
        words = ["change-order", "--population=visits", "--sub-budget=query", "--order=32"]
        late = proposed(folders, tmp_path / "late.json", *words)
        agree(folders, late, *SITES)
        assert ask_private(folders, "0.5").code == 0  # its figures are old by now
        refused = enter(folders, late)
        assert refused.code == 3
        assert "a charge followed it" in refused.err
        motion = proposed(folders, tmp_path / "order.json", *words)
        agree(folders, motion, *SITES)
        entered = enter(folders, motion)
        assert (entered.code, entered.err) == (0, "")
        rows = json.loads(crossward("budget", "-c", folders.consortium, "--json").out)
        assert rows[0]["order"] == "32"
        assert float(rows[0]["fraction_spent"]) > 0
        assert ask_private(folders, "0.5").code == 0
        for order, reason in (
            ("32", "already uses order 32"),
            ("32.12345", "not one of the accountant's orders"),
        ):
            again = propose(folders, tmp_path / "x.json", *words[:3], f"--order={order}")
            assert again.code == 3
            assert reason in again.err
    whole(*(folders.ledger(site) for site in SITES))
    assert kinds(folders.ledger("carl")).count("order") == 1


def test_a_consent_taken_back_is_none(folders, tmp_path):
    with running(folders):
        motion = proposed(folders, tmp_path / "over.json", "transfer-sequencer", "--to=carl")
        agree(folders, motion, *SITES)
        assert "withdraws its approval" in ledger("revoke", folders.site("bert"), motion).out
        assert "had not approved" in ledger("revoke", folders.site("bert"), motion).out
        assert "not approved at bert" in enter(folders, motion).err
        asked(folders)
    assert [kinds(folders.ledger(site)) for site in SITES] == [["genesis", "exact"]] * 3


@pytest.mark.slow
def test_a_consent_outlives_its_node_and_binds_to_every_byte(folders, tmp_path):
    with running(folders) as nodes:
        motion = proposed(
            folders, tmp_path / "raise.json", "raise-budget", "--population=visits", "--epsilon=5"
        )
        agree(folders, motion, *SITES)
        for site in SITES:
            nodes.kill(site, signal.SIGKILL)
    with running(folders):
        other = tmp_path / "other.json"
        data = Amendment.from_bytes(motion.read_bytes())
        richer = raise_budget(state_of(folders), "visits", Fraction(6))
        other.write_bytes(richer.to_bytes())
        assert richer.basis == data.basis
        assert "not approved at anna" in enter(folders, other).err
        assert enter(folders, motion).code == 0
        assert "out of date" in ledger("approve", folders.site("anna"), other).err


def state_of(folders, site="anna"):
    from federation.consortium.site_file import load_site

    store = read_ledger(load_site(folders.site(site)))
    try:
        return read_state(store)
    finally:
        store.close()


def test_invalid_proposals_are_refused_with_the_reason(folders, tmp_path):
    early = propose(folders, tmp_path / "x.json", "transfer-sequencer", "--to=bert")
    assert early.code == 1
    assert "no ledger" in early.err
    with running(folders):
        pass
    for words, reason in (
        (["raise-budget", "--population=visits", "--epsilon=4"], "raised, not lowered"),
        (["raise-budget", "--population=absent", "--epsilon=9"], "no population absent"),
        (["transfer-sequencer", "--to=anna"], "is the sequencer already"),
        (["transfer-sequencer", "--to=dora"], "dora is not a member"),
        (["remove-site", "--lost=dora"], "dora is not a member"),
    ):
        ran = propose(folders, tmp_path / "x.json", *words)
        assert ran.code == 3
        assert reason in ran.err
        assert not (tmp_path / "x.json").exists()
    assert (
        propose(folders, tmp_path / "x.json", "raise-budget", "--population=visits", "--epsilon=1e3").code
        == 2
    )
    for text in ("", "{}", "[]", "nonsense", "\x00" * 99):
        (tmp_path / "bad.json").write_text(text)
        assert ledger("approve", folders.site("anna"), tmp_path / "bad.json").code == 3
    assert ledger("approve", folders.site("anna"), tmp_path / "none.json").code == 2


def test_p2_every_other_site_refuses_an_unapproved_amendment_of_the_sequencer():
    """The attack: one site's administrator changes his own node to agree to everything."""
    frame = pd.DataFrame({"age": [40, 50, 60], "sex": [0, 1, 1]})
    with federation.local(dict.fromkeys(SITES, frame), schema=tomllib.loads(SCHEMA)) as session:
        head = session.nodes["anna"]
        before = [node.replica.head_hash for node in session.nodes.values()]
        head.chain._admit = head.chain._check_lost = lambda _: None
        for motion in (
            raise_budget(head.replica.core.state, "visits", Fraction(100)),
            transfer_sequencer(head.replica.core.state, "bert"),
            remove_site(head.replica.core.state, "carl"),
        ):
            with pytest.raises(PolicyRefusedError) as caught:
                head.chain.enter_amendment(motion)
            assert caught.value.site == "bert"
        with pytest.raises(LedgerRefusedError, match="entered by carl"):
            head.chain.enter_amendment(remove_site(head.replica.core.state, "anna", sequencer="carl"))
        assert [node.replica.head_hash for node in session.nodes.values()] == before
        assert session.sql(
            "SELECT COUNT(*) AS n FROM visits", epsilon=0.1, fresh=True
        ).rows  # and the chain goes on


# -- the documents -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def state(world=None):
    made = World().found()
    a_history(made)
    return made.head.replica.core.state


def body_of(state, content, number=None):
    return Body(
        chain=CONSORTIUM,
        number=state.place.number if number is None else number,
        previous="00" * 32,
        time=1,
        cohort=tuple(sorted(NAMES)),
        content=content,
    )


def test_a_raised_budget_changes_epsilon_alone_and_stays_within_it(state):
    old = state.privacy_filter.populations["cardiology"]
    new = raise_budget(state, "cardiology", Fraction(7)).content.budget
    assert (new.epsilon, new.delta, new.purpose_caps, new.analyst_caps) == (
        7,
        old.delta,
        old.purpose_caps,
        old.analyst_caps,
    )
    for name, part in old.sub_budgets.items():
        mine = new.sub_budgets[name]
        assert (mine.share, mine.delta, mine.plan, mine.order) == (
            part.share,
            part.delta,
            part.plan,
            part.order,
        )
        assert mine.allowance == allowance_units(part.share * 7, part.delta, part.order) > part.allowance


def test_no_site_approves_an_amendment_that_exceeds_its_text(state):
    """The attack: a proposal made by hand, whose text is the ordinary one."""
    fair = raise_budget(state, "cardiology", Fraction(7))
    fair.check_fits(state)
    budget = fair.content.budget
    for altered in (
        replace(budget, analyst_caps={"ada": Fraction(1)}),
        replace(budget, purpose_caps={"audit": Fraction(1)}),
        replace(budget, sub_budgets={}),
    ):
        motion = replace(fair, content=BudgetChange(population="cardiology", budget=altered))
        assert motion.text() == fair.text()
        assert Amendment.from_bytes(motion.to_bytes()) == motion
        with pytest.raises(AmendmentRejectedError, match="more than its text says"):
            motion.check_fits(state)
    key = "ab" * 32
    for change, said in (
        (MembersChange(change="add", name="delhi", key=key, sequencer="ankara"), "more than its text says"),
        (MembersChange(change="rekey", name="basel", key=key, sequencer="basel"), "more than its text says"),
        (MembersChange(change="rekey", name="delhi", key=key, sequencer="ankara"), "not a member"),
    ):
        with pytest.raises(AmendmentRejectedError, match=said):
            replace(transfer_sequencer(state, "basel"), content=change).check_fits(state)
    renewal = renew_site(state, "basel", key)
    assert renewal.text() == f"renew the key of basel: {key[:16]} from then on"
    renewal.check_fits(state)
    for taken in state.members().keys.values():
        with pytest.raises(AmendmentRejectedError, match="is, or was, a member's"):
            renew_site(state, "basel", taken)
    with pytest.raises(AmendmentRejectedError, match="no population"):
        replace(fair, basis=0, content=BudgetChange(population="neurology", budget=budget)).check_fits(state)
    with pytest.raises(AmendmentRejectedError, match="lowered"):
        raise_budget(state, "cardiology", Fraction(1))


def test_amendments_are_read_in_canonical_form_alone(state):
    for motion in (
        raise_budget(state, "cardiology", Fraction(7)),
        transfer_sequencer(state, "basel"),
        remove_site(state, "cairo"),
        remove_site(state, "ankara", sequencer="cairo"),
    ):
        data = motion.to_bytes()
        assert Amendment.from_bytes(data) == motion
        assert motion.text()
        for altered in (
            data + b"\n",
            data.replace(b":", b": ", 1),
            data[:-1],
            data.replace(b'"format":1', b'"format":2'),
        ):
            with pytest.raises(AmendmentRejectedError):
                Amendment.from_bytes(altered)
    charge = Amendment(chain=CONSORTIUM, basis=0, content=an_exact())
    with pytest.raises(AmendmentRejectedError):
        Amendment.from_bytes(charge.to_bytes())


def test_the_basis_follows_each_change_and_survives_a_checkpoint(tmp_path):
    from privacy_accounting.ledger.replication.replica import Replica
    from tests.ledger.ledger_world import key_of
    from tests.ledger.storage.test_ledger_checkpoint import snapshot

    world = World().found()
    core = world.head.replica.core
    first = raise_budget(core.state, "cardiology", Fraction(5))
    assert world.agree(first.content).entries
    second = raise_budget(core.state, "cardiology", Fraction(6))
    with pytest.raises(AmendmentRejectedError, match="out of date"):
        first.check_fits(core.state)
    over = transfer_sequencer(core.state, "basel")
    assert (first.basis, second.basis, over.basis) == (0, 1, 0)  # another thing
    assert world.agree(an_exact()).entries
    second.check_fits(core.state)  # a charge changes nothing of it
    snapshot(world)
    again = Replica(world.head.store.inner, key_of("ankara"), world.clock).core.state
    assert again.basis_of(second.content) == 1
    assert again.basis_of(over.content) == 0
    with pytest.raises(AmendmentRejectedError, match="another consortium"):
        replace(second, chain="ab" * 32).check_fits(core.state)


def test_a_site_signs_only_the_approved_amendment(state, tmp_path):
    consents = Approvals(tmp_path / "consents")
    raised = raise_budget(state, "cardiology", Fraction(7))
    assert not consents.holds(raised)
    assert consents.all() == []
    with pytest.raises(ApprovalMissingError) as caught:
        consents.check(body_of(state, raised.content), state, site="basel")
    assert (caught.value.site, caught.value.motion) == ("basel", raised.digest)
    consents.agree(raised)
    consents.agree(raised)
    assert Approvals(tmp_path / "consents").all() == [raised]
    consents.check(body_of(state, raised.content), state, site="basel")
    consents.check(body_of(state, an_exact()), state, site="basel")  # no change of the agreement
    budget = raised.content.budget
    for other in (
        BudgetChange(population="neurology", budget=budget),
        BudgetChange(
            population="cardiology", budget=raise_budget(state, "cardiology", Fraction(8)).content.budget
        ),
        BudgetChange(population="cardiology", budget=replace(budget, analyst_caps={"ada": Fraction(1)})),
        MembersChange(change="sequencer", name="basel", key="", sequencer="basel"),
    ):
        with pytest.raises(ApprovalMissingError):
            consents.check(body_of(state, other), state, site="basel")


def test_p2_an_old_consent_covers_nothing_that_is_proposed_later(tmp_path):
    """The attack: the sequencer proposes once more what all had agreed to before, to undo what came in between."""
    world, consents = World().found(), Approvals(tmp_path)
    state = world.head.replica.core.state

    def entered(motion):
        consents.agree(motion)
        consents.check(body_of(state, motion.content), state, site="basel")
        assert world.agree(motion.content).entries

    first = raise_budget(state, "cardiology", Fraction(6))
    entered(first)
    entered(raise_budget(state, "cardiology", Fraction(9)))
    over = transfer_sequencer(state, "basel")
    entered(over)
    for old in (first, over):
        with pytest.raises(ApprovalMissingError):
            consents.check(body_of(state, old.content), state, site="basel")
    assert all(old in consents.all() for old in (first, over))  # they lie there, and say nothing


def test_an_altered_or_misnamed_file_is_no_approval(state, tmp_path):
    consents = Approvals(tmp_path)
    one, two = raise_budget(state, "cardiology", Fraction(7)), raise_budget(state, "cardiology", Fraction(70))
    consents.agree(one)
    (tmp_path / f"{one.digest}.json").rename(tmp_path / f"{two.digest}.json")
    assert not consents.holds(one)
    assert not consents.holds(two)
    (tmp_path / f"{one.digest}.json").write_bytes(one.to_bytes()[:-1])
    assert not consents.holds(one)
    os.symlink(tmp_path, tmp_path / "folder.json")
    assert consents.all() == [one]  # what the misnamed file says, which holds for nothing
