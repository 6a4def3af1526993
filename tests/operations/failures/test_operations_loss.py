"""A site lost for good: the others remove it, and later queries run over the remaining sites."""

import json
import signal

import pytest

import federation
from federation.consortium.consortium_file import load_consortium
from federation.consortium.membership import restrict_to_members
from federation.errors import ConfigError
from federation.processes.launcher import Launcher
from federation.training.estimators import FederatedLogisticRegression
from tests.cli.conftest import crossward
from tests.federation.hospitals import BY_SEX, NAMES, found
from tests.operations.operations_world import ledger, whole

LOST = "cleveland"  # it orders the ledger, too
LEFT = tuple(name for name in NAMES if name != LOST)
FEATURES = ["age", "trestbps"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four sites of which the one that orders is lost; the other three leave it out and are restarted."""
    made = found(
        tmp_path_factory.mktemp("loss") / "here", helpers=("dealer", "aggregator", "keyholder"), deadline_s=5
    )
    with Launcher(made) as nodes:
        assert crossward("query", "-c", made.consortium, BY_SEX, "--fresh", "--epsilon", "0.5").code == 0
        nodes.kill(LOST, signal.SIGKILL)
        motion = made.root / "lost.json"
        ran = ledger(
            "propose", "remove-site", made.site("hungary"), "--lost", LOST, "--to=hungary", "--out", motion
        )
        assert ran.code == 0, ran.err
        for site in LEFT:
            assert ledger("approve", made.site(site), motion).code == 0
        entered = ledger("apply", motion, "-c", made.consortium)
        assert entered.code == 0, entered.err
        before = crossward("query", "-c", made.consortium, BY_SEX, "--fresh", "--epsilon", "0.5")
        assert before.code == 1
        assert "restart this node" in before.err
        for site in LEFT:
            nodes.kill(site, signal.SIGTERM)
            nodes.restart(site)
        yield made, nodes


@pytest.fixture
def folders(world):
    return world[0]


def test_an_exact_answer_is_that_of_the_sites_that_are_left(folders):
    ran = crossward("query", "-c", folders.consortium, BY_SEX, "--exact", "--json")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert [row[1] for row in answer["rows"]] == [194 - 97, 726 - 206]
    assert answer["receipt"]["signed_by"] == list(LEFT)


def test_a_private_answer_has_the_noise_of_three_sites_and_says_so(folders):
    with federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session:
        result = session.sql(BY_SEX, epsilon=0.5, fresh=True)
        assert session.consortium.names == LEFT
        again = session.sql(BY_SEX, epsilon=0.5, fresh=True)  # no detour any more
        assert result.receipt["signed_by"] == again.receipt["signed_by"] == list(LEFT)
        assert session.left_out() == (LOST,)
        spent = {
            row["sub_budget"]: row["entries"] for row in session.budget_rows() if row["entries"] is not None
        }
        assert spent["query"] >= 2


def test_a_training_goes_on_among_the_remaining_sites(folders):
    with federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session:
        model = FederatedLogisticRegression(epsilon=1.0, rounds=2)
        model.fit(session, table="patients", features=FEATURES, target="disease")
        assert [tuple(step["cohort"]) for step in model.history_] == [LEFT, LEFT]


def test_doctor_does_not_ask_for_a_removed_site(folders):
    told = crossward("doctor", "-c", folders.consortium)
    assert told.code == 0, told.out
    assert f"node {LOST}: removed from the consortium" in told.out


@pytest.mark.slow
def test_a_removed_site_that_returns_is_informed_and_disturbs_no_other(world):
    """It still believes that it orders the ledger, until it has read the others' ledgers."""
    folders, nodes = world
    nodes.restart(LOST)
    try:
        told = crossward("doctor", "-c", folders.consortium)
        assert told.code == 1
        assert f"node {LOST}: not ready: it was left out of the consortium" in told.out
        ran = crossward("query", "-c", folders.consortium, BY_SEX, "--fresh", "--epsilon", "0.5", "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["receipt"]["signed_by"] == list(LEFT)
    finally:
        nodes.kill(LOST, signal.SIGKILL)
    whole(*(folders.ledger(name) for name in NAMES))


def test_the_ledgers_of_those_that_are_left_are_whole(folders):
    report = whole(*(folders.ledger(name) for name in LEFT))
    assert report.behind == {}
    assert report.forks == ()


def test_the_reduced_agreement_keeps_its_digest_and_enough_sites(folders):
    founded = load_consortium(folders.consortium)
    fewer = restrict_to_members(founded, LEFT, sequencer="hungary")
    assert fewer.digest() == founded.digest()
    assert fewer.names == LEFT
    assert fewer.file.sequencer == "hungary"
    assert founded.names == NAMES
    with pytest.raises(ConfigError, match="colluding"):
        restrict_to_members(founded, ["hungary"], sequencer="hungary")


def test_two_of_three_computing_sites_do_not_go_on_alone(tmp_path):
    founded = load_consortium(found(tmp_path / "here", helpers=(), three_sites=(LOST, *LEFT[:2])).consortium)
    fewer = restrict_to_members(founded, LEFT, sequencer="hungary")
    assert fewer.three_sites is None
    assert fewer.digest() == founded.digest()
    others = [name for name in NAMES if name not in founded.three_sites.names]
    kept = restrict_to_members(founded, [name for name in NAMES if name not in others], sequencer=LOST)
    assert kept.three_sites == founded.three_sites
