"""A site joins a consortium that was charged: invitation, admission, its own files; attacks, and a stop at any file."""

import shutil

import pytest

from federation.consortium.admission.admissions import Admission
from federation.consortium.admission.approvals import Agreement
from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import add_site, replace_site
from federation.consortium.consortium_file import load_consortium
from federation.consortium.consortium_model import Member
from federation.consortium.site_file import load_site
from federation.errors import AmendmentRejectedError, ConfigError, FoundingRefusedError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, is_pinned, trust_of
from federation.node.ledger.present_members import members_here
from federation.node.ledger.storage import open_ledger, read_ledger
from federation.node.ledger.summary import read_state
from federation.setup.several_machines import entering, founding
from federation.setup.several_machines.admitting import admit_site
from privacy_accounting.ledger.entries import Body, Entry, body_hash, sign_body
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import PeerName, check_peer
from tests.setup.founding_world import NOW, World, copied, rows
from tests.setup.several_machines.test_correcting import SITES, _one_guess, config_of, started_once
from tests.setup.several_machines.test_founding_faults import MOST_STEPS, KilledError, Power

__all__ = ["_one_guess"]  # a fixture of the whole module


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


@pytest.fixture(scope="module")
def charged(tmp_path_factory):
    """Anna and bert have answered a question."""
    world = World(root=tmp_path_factory.mktemp("charged"))
    world.to_end()
    started_once(world, charged=SITES)
    return world


@pytest.fixture(scope="module")
def stages(charged, tmp_path_factory):
    """The world before each step."""
    world, kept = copied(charged, tmp_path_factory.mktemp("walk")), {}

    def keep(name):
        kept[name] = copied(world, tmp_path_factory.mktemp(name))

    keep("invite")
    invite(world)
    keep("join")
    world.join("dora")
    keep("admit")
    admit(world)
    keep("enter")
    enter(world)
    keep("entered")
    return kept


@pytest.fixture
def stage(stages, tmp_path):
    return lambda name: copied(stages[name], tmp_path / name)


def invite(world, name="dora", **options):
    world.roles = {**world.roles, name: "site"}
    rows(world.root / f"{name}.csv")
    founding.invite(world.folder("anna"), name, "site", now=NOW, **options)


def admit(world, name="dora", *, folder=None, words=None):
    said = {name: world.words(name) if words is None else words}
    answer = (world.folder(folder or name) / "exchange" / f"{name}.answer.json").read_bytes()
    return admit_site(world.folder("anna"), answer, words=said, now=NOW)


def admission(world, name="dora"):
    return (world.folder("anna") / f"{name}.admission.json").read_bytes()


def enter(world, name="dora", *, data=None, words=None, folder=None):
    data = admission(world, name) if data is None else data
    place = world.folder(folder or name)
    reviewed = entering.review_admission(place, data)
    return entering.enter(place, data, reviewed, words=world.words(name) if words is None else words)


def state_of(world, name="anna"):
    store = read_ledger(config_of(world, name))
    try:
        return read_state(store)
    finally:
        store.close()


def entered(world, amendment, signers):
    """The entry of an amendment, as the nodes would sign it, in every ledger."""
    state = state_of(world)
    body = Body(
        chain=state.chain,
        number=state.place.number,
        previous=state.place.previous,
        time=NOW + 1,
        cohort=tuple(sorted(signers)),
        content=amendment.content,
    )
    data = body.to_bytes()
    keys = {name: Identity.load(config_of(world, name).identity).signing_key for name in signers}
    entry = Entry(
        data=data,
        body=body,
        signatures={name: sign_body(key, body_hash(data)) for name, key in keys.items()},
    )
    store = read_ledger(config_of(world, "anna"))
    before = [Entry.from_bytes(each) for each in store.entries()]
    store.close()
    for name in signers:
        store = open_ledger(config_of(world, name))
        store.append([*before, entry][store.height() :])
        store.close()
    return entry


def test_a_site_joins_with_the_agreement_of_all_and_its_own_place(stage):
    world = stage("entered")
    config = config_of(world, "dora")
    assert config.consortium.digest() == load_consortium(world.folder("anna")).digest()
    assert config.consortium.names == ("anna", "bert", "dora")
    assert is_pinned(Identity.load(config.identity), config.consortium)
    assert not (world.folder("dora") / "dora.key").exists()
    amendment = add_site(state_of(world), "dora", config.own_place)
    entry = entered(world, amendment, ("anna", "bert", "dora"))
    for name in ("anna", "dora"):
        present = members_here(config_of(world, name))
        assert present.entries == (entry,)
        now = config_of(world, name).among(present.changes)
        assert now.names == ("anna", "bert", "dora")
        assert now.digest() == config.consortium.digest()
        assert trust_of(now).roster["dora"] == ("site", Identity.load(config.identity).fingerprint)


def test_the_review_says_what_one_site_more_means(stage):
    said = "\n".join(
        entering.review_admission(stage("enter").folder("dora"), admission(stage("enter"))).lines
    )
    assert "sites: 3 instead of 2" in said
    assert "site dora at 127.0.0.1:17105" in said
    assert "budgets and all earlier charges stay" in said
    assert "a person may have rows at 3 sites instead of 2, which needs more noise" in said


def test_before_its_entry_no_member_accepts_the_new_site_but_by_approval(stage):
    world = stage("entered")
    identity = Identity.load(config_of(world, "dora").identity)
    peer = PeerName(
        name="dora", role="site", fingerprint=identity.fingerprint, public_key=identity.public_hex
    )
    bert = config_of(world, "bert")
    consortium = bert.among(members_here(bert).changes)
    with pytest.raises(PeerRejectedError, match="not in the roster"):
        check_peer(peer, trust_of(consortium))
    Approvals(bert.consents).agree(add_site(state_of(world), "dora", config_of(world, "dora").own_place))
    awaited = members_here(bert).awaited
    check_peer(peer, trust_of(consortium.with_sites(awaited)))
    stranger = PeerName(name="dora", role="site", fingerprint="0" * 64, public_key="0" * 64)
    with pytest.raises(PeerRejectedError, match="not the one in the roster"):
        check_peer(stranger, trust_of(consortium.with_sites(awaited)))


def test_the_founders_authority_certifies_a_stranger_and_changes_no_agreement(stage):
    """Anna issues a certificate to mallory and writes the admission herself: no member's trust changes."""
    world = stage("entered")
    given = Admission.from_bytes(admission(world))
    assert given.check().name == "dora"
    for name in ("bert", "dora"):
        config = config_of(world, name)
        assert "mallory" not in trust_of(config.among(members_here(config).changes)).roster
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    def certificate(authority, name="dora", role="site"):
        pem = authority.certify(Ed25519PrivateKey.generate().public_key(), name, role)
        return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)

    real = Authority.load(world.folder("anna") / "authority")
    folder = world.folder("dora")
    for der, said in (
        (certificate(real), "not for dora at"),  # another key than dora's
        (certificate(real, "mallory"), "not for dora at"),
        (certificate(real, "ada", "analyst"), "is of analyst ada, no site"),
        (certificate(Authority.create("heart")), "not by the consortium's authority"),
    ):
        data = Admission(
            agreement=given.agreement, members=given.members, certificate=der, address=given.address
        ).to_bytes()
        with refused(said):
            entering.review_admission(folder, data)


def test_an_admission_without_a_signature_of_a_founding_site_is_refused(stage):
    world = stage("enter")
    given = Admission.from_bytes(admission(world))
    agreement = Agreement.from_bytes(given.agreement)
    fewer = Agreement(
        draft=agreement.draft,
        signatures={name: each for name, each in agreement.signatures.items() if name != "bert"},
    )
    data = Admission(
        agreement=fewer.to_bytes(), members=b"", certificate=given.certificate, address=given.address
    ).to_bytes()
    with refused("not yet signed by bert"):
        entering.review_admission(world.folder("dora"), data)
    for place in range(0, len(admission(world)) - 1, 97):
        other = bytearray(admission(world))
        other[place] ^= 1
        with pytest.raises((FoundingRefusedError, ConfigError)):
            entering.review_admission(world.folder("dora"), bytes(other))


def test_words_that_differ_and_the_invitation_of_another_admit_no_site(stage):
    world = stage("admit")
    with refused("words"):
        admit(world, words=" ".join(["wrong"] * 8))
    assert not (world.folder("anna") / "dora.admission.json").exists()
    world.join("dora", folder="twin")
    admit(world)
    with refused("was used already"):
        admit(world, folder="twin")
    with refused("words"):
        enter(world, words=" ".join(["wrong"] * 8))
    with refused("not for dora at"):
        enter(world, folder="twin")
    assert not (world.folder("dora") / "consortium.toml").exists()


def test_names_of_members_and_their_addresses_are_refused(charged, tmp_path):
    world = copied(charged, tmp_path)
    for name, said in (
        ("bert", "bert is a site of this consortium; --replace"),
        ("ada", "ada is, or was, a member"),
        ("anna", "is the founder"),
    ):
        with refused(said):
            invite(world, name)
    with pytest.raises(ConfigError, match="travel by other means"):
        invite(world, direct="127.0.0.1:9")
    invite(world)
    world.join("dora", address="127.0.0.1:17103")  # bert's
    with refused("answers with the address of bert"):
        admit(world)


def test_a_key_of_a_member_is_refused(charged, tmp_path):
    from federation.consortium.admission.invitations import Answer, Invitation
    from federation.identity.signing_request import signing_request

    world = copied(charged, tmp_path)
    invite(world)
    key = Identity.load(config_of(world, "bert").identity).signing_key
    invitation = Invitation.from_bytes(world.invitation("dora"))
    answer = Answer.write(
        invitation, key, request=signing_request(key, "dora"), address="127.0.0.1:9", made=NOW
    )
    with refused("with the key of bert"):
        admit_site(world.folder("anna"), answer.to_bytes(), words={}, now=NOW)


def test_an_own_entry_with_another_place_is_not_approved_here(stage):
    world = stage("entered")
    config, state = config_of(world, "dora"), state_of(world)
    entering.check_new_site(config, add_site(state, "dora", config.own_place), state)
    moved = config.own_place.model_copy(update={"address": "127.0.0.1:9"})
    for place in (moved, Member(address="127.0.0.1:9", fingerprint="ab" * 32, public_key="cd" * 32)):
        with pytest.raises(ConfigError, match="another key, certificate or address"):
            entering.check_new_site(config, add_site(state, "dora", place), state)
    taken = Member(address="127.0.0.1:17103", fingerprint="ab" * 32, public_key="cd" * 32)
    with pytest.raises(AmendmentRejectedError, match="is the address of bert"):
        entering.check_new_site(config_of(world, "anna"), add_site(state, "zoe", taken), state)
    named = taken.model_copy(update={"address": "127.0.0.1:9"})
    with pytest.raises(AmendmentRejectedError, match="name of another member"):
        entering.check_new_site(config_of(world, "anna"), add_site(state, "ada", named), state)


def test_an_admission_of_another_site_or_consortium_beside_the_file_is_refused(stage):
    world = stage("entered")
    shutil.copy(world.folder("dora") / "admission.json", world.folder("bert"))
    with pytest.raises(ConfigError, match=r"admission\.json: of dora"):
        load_site(world.folder("bert"))
    (world.folder("dora") / "admission.json").write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match=r"admission\.json: this is not a valid admission"):
        load_site(world.folder("dora"))


def test_a_site_whose_machine_is_lost_takes_its_place_again_with_a_new_key(charged, tmp_path):
    world = copied(charged, tmp_path)
    lost = Identity.load(config_of(world, "bert").identity)
    world.folder("bert").rename(tmp_path / "lost")
    with refused("bert is a site of this consortium; --replace"):
        invite(world, "bert")
    invite(world, "bert", replace=True)
    world.join("bert", address="127.0.0.1:17199")
    assert admit(world, "bert").replaces
    enter(world, "bert")
    config = config_of(world, "bert")
    assert config.own_place.address == "127.0.0.1:17199"
    entered(world, replace_site(state_of(world), "bert", config.own_place), SITES)
    anna = config_of(world, "anna")
    now = anna.among(members_here(anna).changes)
    assert now.names == SITES
    identity = Identity.load(config.identity)
    check_peer(
        PeerName(name="bert", role="site", fingerprint=identity.fingerprint, public_key=identity.public_hex),
        trust_of(now),
    )
    with pytest.raises(PeerRejectedError):  # who holds the lost disk is no member any more
        check_peer(
            PeerName(name="bert", role="site", fingerprint=lost.fingerprint, public_key=lost.public_hex),
            trust_of(now),
        )


STEPS = {
    "invite": invite,
    "join": lambda world: world.join("dora"),
    "admit": admit,
    "enter": enter,
}


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
        for name in SITES:  # nothing has changed for those who are members
            config = config_of(world, name)
            assert config.among(members_here(config).changes).names == SITES
        if step == "enter":
            assert not (world.folder("dora") / "consortium.toml").exists()
        STEPS[step](world)
        if step == "enter":
            assert config_of(world, "dora").own_place is not None
        left = [path for path in world.root.rglob(".*.partial") if path.parent.name != "state"]
        assert left == []
    pytest.fail("the step has more files than the walk")
