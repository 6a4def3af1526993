"""Before the first charge the agreement is corrected: all sites sign again; the correction holds at all sites or at none."""

import os

import pytest

from analytics.sources import SourceSpec
from federation.consortium.admission.approvals import Agreement, Draft
from federation.consortium.consortium_file import load_consortium
from federation.consortium.genesis import genesis_body
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.certificates import Identity
from federation.node.ledger.correction import find_correction, keep_copy, put_aside
from federation.node.ledger.storage import ledger_file, open_ledger
from federation.setup.infer_schema import guess_table
from federation.setup.several_machines import correcting, founding, joining, signing
from federation.setup.site_rows import SiteRows
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import Exact, Request
from privacy_accounting.ledger.entries import Body, Entry, body_hash, sign_body
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.cli.conftest import crossward
from tests.setup.founding_world import NOW, World, copied, rows
from tests.setup.several_machines.test_founding_faults import MOST_STEPS, KilledError, Power

SITES = ("anna", "bert")


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


@pytest.fixture(scope="module", autouse=True)
def _one_guess(tmp_path_factory):
    """All sites' files are alike here, and guessing a schema takes longer than all else."""
    path = rows(tmp_path_factory.mktemp("data") / "anna.csv")
    guess = guess_table(SiteRows(site="anna", rows=SourceSpec(kind="csv", path=path)), "patients")
    with pytest.MonkeyPatch.context() as patch:
        for module in (founding, joining):
            patch.setattr(module, "guess_table", lambda *_: guess)
        yield


def config_of(world, name):
    return load_site(world.folder(name) / "site.toml")


def signed(world, body):
    """An entry that all sites have signed, as their nodes would."""
    data = body.to_bytes()
    keys = {name: Identity.load(config_of(world, name).identity).signing_key for name in SITES}
    signatures = {name: sign_body(key, body_hash(data)) for name, key in keys.items()}
    return Entry(data=data, body=body, signatures=signatures)


def started_once(world, *, charged=()):
    """What the sites hold after their nodes ran: the genesis entry, and at some a disclosure."""
    genesis = signed(world, genesis_body(config_of(world, "anna").consortium))
    asked = Request(
        population="patients",
        analyst="ada",
        purpose="audit",
        request="ab" * 32,
        nonce="0" * 32,
        request_signature="cd" * 64,
    )
    body = Body(
        chain=genesis.body.chain,
        number=1,
        previous=genesis.hash.hex(),
        time=NOW,
        cohort=SITES,
        content=Exact(asked=asked, receivers=("ada",), numbers=1),
    )
    entries = [genesis, signed(world, body)]
    for name in SITES:
        config = config_of(world, name)
        keep_copy(config, world.folder(name) / "site.toml")
        store = open_ledger(config)
        store.append(entries if name in charged else entries[:1])
        store.close()


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    world = World(root=tmp_path_factory.mktemp("founded"))
    world.to_end()
    return world


@pytest.fixture(scope="module")
def begun(founded, tmp_path_factory):
    world = copied(founded, tmp_path_factory.mktemp("begun"))
    started_once(world)
    return world


@pytest.fixture
def world(begun, tmp_path):
    return copied(begun, tmp_path)


def correct(world, old='epsilon = "4"', new='epsilon = "3"'):
    terms = world.folder("anna") / "terms.toml"
    text = terms.read_text()
    assert old in text
    terms.write_text(text.replace(old, new))
    world.admit()


def digest(world, name):
    return load_consortium(world.folder(name) / "consortium.toml").digest()


def test_all_sites_sign_again_and_begin_with_the_correction(world):
    before = digest(world, "anna")
    correct(world)
    reviewed = signing.review(world.folder("bert"), world.draft())
    assert reviewed.changes == ["budget of patients: epsilon changed from 4 to 3"]
    for name in SITES:
        world.sign(name)
    begun = world.begin("anna", world.signature("bert"))
    assert begun.changes == ["budget of patients: epsilon changed from 4 to 3"]
    for name in ("bert", "ada"):
        assert not world.begin(name, world.agreement()).was_there
    assert len({digest(world, name) for name in ("anna", "bert", "ada")}) == 1
    assert digest(world, "anna") != before
    for name in SITES:
        step, kept = put_aside(config_of(world, name))
        assert step.chain == before
        assert step.changes == ("budget of patients: epsilon changed from 4 to 3",)
        assert os.path.exists(kept)
        assert not ledger_file(config_of(world, name)).exists()
        assert not config_of(world, name).signed_correction.exists()
        (earlier,) = (world.folder(name) / "exchange").glob("agreement-*.json")
        assert Agreement.from_bytes(earlier.read_bytes()).draft.consortium().digest() == before


def test_begin_again_after_the_correction_changes_nothing(world):
    correct(world)
    for name in SITES:
        world.sign(name)
    world.begin("anna", world.signature("bert"))
    again = world.begin("anna", world.signature("bert"))
    assert again.was_there
    assert again.changes == []
    assert len(list((world.folder("anna") / "exchange").glob("agreement-*.json"))) == 1


@pytest.mark.parametrize("who", SITES)
def test_a_site_with_a_charge_neither_signs_nor_begins(founded, tmp_path, who):
    world = copied(founded, tmp_path)
    started_once(world, charged=(who,))
    if who == "anna":
        with refused("cannot be corrected, for its ledger holds the exact entry 1"):
            correct(world)
        with refused("exact entry 1"):
            founding.invite(world.folder("anna"), "zoe", "analyst", now=NOW)
        founding.invite(world.folder("anna"), "zoe", "site", now=NOW)  # it enters by an amendment
        return
    correct(world)
    with refused("amendments"):
        world.sign("bert")
    world.sign("anna")
    with refused("not yet signed by bert"):
        world.begin("anna")
    assert correcting.withdraw(world.folder("anna"))
    assert digest(world, "anna") == digest(world, "bert")
    assert not config_of(world, "anna").signed_correction.exists()


def test_a_charge_between_signing_and_beginning_is_impossible_or_refused(world):
    """The node runs beside the signature: a site signs only while no node can charge, and its node then signs none."""
    correct(world)
    store = open_ledger(config_of(world, "bert"))
    with refused("the node of bert runs: stop it first"):
        world.sign("bert")
    assert not config_of(world, "bert").signed_correction.exists()
    store.close()
    world.sign("bert")
    assert config_of(world, "bert").signed_correction.exists()
    world.sign("anna")
    store = open_ledger(config_of(world, "anna"))
    with refused("the node of anna runs: stop it first"):
        world.begin("anna", world.signature("bert"))
    store.close()
    world.begin("anna", world.signature("bert"))


def test_an_analyst_compares_words_again_and_keeps_what_it_has_without_them(world):
    correct(world)
    for name in SITES:
        world.sign(name)
    world.begin("anna", world.signature("bert"))
    before = digest(world, "ada")
    assert signing.needs_words(world.folder("ada"), to_begin=[world.agreement()])
    with refused("words"):
        world.begin("ada", world.agreement(), words="able baker")
    assert digest(world, "ada") == before
    world.begin("ada", world.agreement())
    assert digest(world, "ada") == digest(world, "anna")
    assert not signing.needs_words(world.folder("ada"), to_begin=[world.agreement()])


def test_the_founder_alone_corrects_nothing(world):
    """An agreement with the earlier signatures, or with the founder's alone, is refused everywhere."""
    correct(world)
    world.sign("anna")
    earlier = Agreement.from_bytes(world.agreement())
    forged = Agreement(draft=Draft.from_bytes(world.draft()), signatures=earlier.signatures)
    for name in ("bert", "ada"):
        before = digest(world, name)
        with pytest.raises((FoundingRefusedError, ConfigError)):
            world.begin(name, forged.to_bytes())
        assert digest(world, name) == before


def test_the_replaced_agreement_does_not_come_back_at_a_site(world):
    earlier = world.agreement()
    correct(world)
    for name in SITES:
        world.sign(name)
    world.begin("anna", world.signature("bert"))
    world.begin("bert", world.agreement())
    with refused("another file than the one that bert signed"):
        world.begin("bert", earlier)


def test_a_draft_that_differs_in_one_byte_is_another_draft(world):
    correct(world)
    for name in SITES:
        world.sign(name)
    world.begin("anna", world.signature("bert"))
    agreement = world.agreement()
    place = agreement.index(b'epsilon = \\"3\\"') + len(b'epsilon = \\"')
    other = agreement[:place] + b"2" + agreement[place + 1 :]
    with refused("signed another draft|not by the key|another file than the one that bert signed"):
        world.begin("bert", other)


def test_withdrawn_the_node_may_charge_again_and_the_correction_needs_a_new_signature(world):
    correct(world)
    world.sign("bert")
    ran = crossward("sign", world.folder("bert"), "--withdraw")
    assert (ran.code, ran.out) == (0, "withdrawn: the agreement in force stays\n")
    assert not config_of(world, "bert").signed_correction.exists()
    again = crossward("sign", world.folder("bert"), "--withdraw")
    assert again.out == "no correction is signed here\n"
    world.sign("anna")
    world.begin("anna", world.signature("bert"))  # bert's signature was sent before
    with refused("another file than the one that bert signed"):
        world.begin("bert", world.agreement())
    world.sign("bert")
    world.begin("bert", world.agreement())
    assert digest(world, "anna") == digest(world, "bert")


def test_a_ledger_of_another_file_says_what_changed_and_how_to_go_back(founded, tmp_path):
    world = copied(founded, tmp_path)
    started_once(world, charged=SITES)
    path = world.folder("anna") / "consortium.toml"
    path.write_text(path.read_text().replace('epsilon = "4"', 'epsilon = "9"'))
    with pytest.raises(LedgerRefusedError) as caught:
        put_aside(config_of(world, "anna"))
    said = str(caught.value)
    assert "budget of patients: epsilon changed from 4 to 9" in said
    assert "its ledger holds the exact entry 1" in said
    step = find_correction(config_of(world, "anna"))
    path.write_text(step.copy.read_text())
    assert find_correction(config_of(world, "anna")) is None


def test_a_copy_that_was_altered_gives_no_words(world):
    copy = find_copy(world)
    copy.write_text(copy.read_text().replace('epsilon = "4"', 'epsilon = "8"'))
    path = world.folder("anna") / "consortium.toml"
    path.write_text(path.read_text().replace('epsilon = "4"', 'epsilon = "9"'))
    assert find_correction(config_of(world, "anna")).changes == ()


def test_one_site_that_corrects_alone_goes_back_and_reads_the_ledger_from_the_others(world):
    path = world.folder("bert") / "consortium.toml"
    before = path.read_text()
    path.write_text(before.replace('epsilon = "4"', 'epsilon = "9"'))
    start(world, "bert")
    path.write_text(before)
    start(world, "bert")
    source = SqliteStore.read_only(ledger_file(config_of(world, "anna")))
    store = open_ledger(config_of(world, "bert"))
    key = Identity.load(config_of(world, "bert").identity).signing_key
    genesis = genesis_body(config_of(world, "bert").consortium)
    replica = Replica(store, key, lambda: NOW, genesis=genesis)
    assert replica.catch_up(source.entries(), source="anna") == 1
    assert replica.core.is_usable
    source.close()
    store.close()


def find_copy(world):
    (copy,) = (config_of(world, "anna").state / "agreements").glob("*.toml")
    return copy


STEPS = {
    "sign": lambda world: world.sign("bert"),
    "founder begins": lambda world: world.begin("anna", world.signature("bert")),
    "site begins": lambda world: world.begin("bert", world.agreement()),
    "analyst begins": lambda world: world.begin("ada", world.agreement()),
    "withdraw": lambda world: correcting.withdraw(world.folder("bert")),
    "start": lambda world: start(world, "bert"),
}


def start(world, name):
    """What a node does before it opens its ledger."""
    config = config_of(world, name)
    put_aside(config)
    keep_copy(config, world.folder(name) / "site.toml")
    open_ledger(config).close()


@pytest.fixture(scope="module")
def stages(begun, tmp_path_factory):
    world, kept = copied(begun, tmp_path_factory.mktemp("stages")), {}

    def keep(name):
        kept[name] = copied(world, tmp_path_factory.mktemp(name))

    correct(world)
    keep("sign")
    world.sign("anna")
    world.sign("bert")
    keep("withdraw")
    keep("founder begins")
    world.begin("anna", world.signature("bert"))
    keep("site begins")
    keep("analyst begins")
    world.begin("bert", world.agreement())
    keep("start")
    return kept


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_was_killed_at_any_file_runs_again(stages, tmp_path, step):
    for at in range(1, MOST_STEPS):
        world = copied(stages[step], tmp_path / f"{at}")
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, at=at)
            try:
                STEPS[step](world)
            except KilledError:
                pass
            else:
                assert power.count == at - 1 > 0
                return
        check_between(world, step)
        STEPS[step](world)
        check_after(world, step)
    pytest.fail("the step has more files than the walk")


def check_between(world, step):
    """A member has the one agreement or the other, whole; the node charges only under the one it begins with."""
    for name in ("anna", "bert", "ada"):
        load_consortium(world.folder(name) / "consortium.toml")
    if step in {"founder begins", "site begins"}:
        name = {"f": "anna", "s": "bert"}[step[0]]
        config = config_of(world, name)
        if find_correction(config) is None:  # the earlier agreement is still in force here
            assert config.signed_correction.exists()
    if step == "start":
        config = config_of(world, "bert")
        kept = list(config.state.glob("ledger_kept_*.sqlite"))
        assert len(kept) + (find_correction(config) is not None) == 1


def check_after(world, step):
    config = config_of(world, "bert")
    if step == "sign":
        assert config.signed_correction.exists()
        assert world.signature("bert")
    elif step == "withdraw":
        assert not config.signed_correction.exists()
        assert digest(world, "bert") == digest(world, "anna")
    elif step == "start":
        assert find_correction(config) is None
        assert len(list(config.state.glob("ledger_kept_*.sqlite"))) == 1
    else:
        name = {"f": "anna", "s": "bert", "a": "ada"}[step[0]]
        assert digest(world, name) == Draft.from_bytes(world.draft()).consortium().digest()
    left = [path for path in world.root.rglob(".*.partial") if path.parent.name != "state"]
    assert left == []
