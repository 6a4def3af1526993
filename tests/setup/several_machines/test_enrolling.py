"""A person enrols as analyst or auditor: attacks on the certificate, on the amendment, and every step killed at every file."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from federation.consortium.amending.present_roles import check_role_change, present_analysts, present_roles
from federation.consortium.consortium_file import load_consortium
from federation.consortium.members_file import read_changes, write_members
from federation.errors import AmendmentRejectedError, ConfigError, FoundingRefusedError, RequestRejectedError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, is_pinned, trust_of
from federation.protocol.request import REQUEST_TAG, Request
from federation.requests.planning import check_author, check_signature
from federation.setup.several_machines import enrolling
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.entries import Entry, sign_body
from privacy_accounting.ledger.parties.roles import Roles
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import PeerName, check_peer
from tests.cli.conftest import make_folder
from tests.ledger.ledger_world import NAMES, World, a_budget, key_of
from tests.setup.several_machines.test_founding_faults import KilledError, Power

CAPPED = a_budget(analyst_caps={"ada": Fraction(1)})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("enrolling") / "here", analysts=("ada", "bo"))


@pytest.fixture
def home(made, tmp_path):
    """A new member's folder."""
    return home_in(made, tmp_path / "eva")


def home_in(made, path):
    (path / "authority").mkdir(parents=True)
    (path / "consortium.toml").write_bytes((made.root / "consortium.toml").read_bytes())
    (path / "authority" / "authority.pem").write_bytes((made.authority / "authority.pem").read_bytes())
    return path


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


def certify(made, enrolment, words=None, **options):
    said = " ".join(enrolment.words) if words is None else words
    return enrolling.certify_enrolment(made.root, enrolment.to_bytes(), lambda _: said, **options)[0]


def resigned(home, enrolment, **changes):
    """The same key signs something else."""
    from federation.identity.signing_request import load_key

    other = replace(enrolment, **changes)
    key = load_key(enrolling.key_file(home, "eva"))
    return replace(other, signature=key.sign(other.signed_bytes()).hex())


def test_the_authority_certifies_only_what_two_people_have_compared(made, home):
    enrolment = enrolling.request_enrolment(home, "eva", "analyst")
    now, day = int(time.time()), 86_400
    with refused("words"):
        certify(made, enrolment, words="acid actor adult again agree album alive amber")
    for changes, said in (
        ({"chain": "ab" * 32}, "of another consortium"),
        ({"role": "site"}, "only an analyst or an auditor"),
        ({"role": "dealer"}, "only an analyst or an auditor"),
        ({"name": "ada"}, "not for ada|request is not for"),
        ({"made": now + day}, "ahead of this machine's clock"),
        ({"made": now - 31 * day}, "older than 30 days"),
    ):
        with refused(said):
            certify(made, resigned(home, enrolment, **changes), words="")
    with refused("not signed by its own key"):
        certify(made, replace(enrolment, role="auditor"), words="")
    changed = resigned(home, enrolment, role="auditor")
    assert changed.words != enrolment.words  # whoever changes a field changes the words
    with refused("not a valid enrolment"):
        enrolling.Enrolment.from_bytes(enrolment.to_bytes()[:-3] + b"0}\n")
    assert certify(made, enrolment)


def test_a_name_or_a_key_of_a_member_is_not_certified(made, home):
    for name in ("ada", "bert", "dealer"):
        with refused(f"{name} is a member already"):
            enrolling.request_enrolment(home, name, "analyst")
    own = Identity.load(made.root / "analysts" / "ada.pem").signing_key
    from federation.identity.signing_request import signing_request

    unsigned = enrolling.Enrolment(
        chain=load_consortium(made.consortium).digest(),
        name="eve",
        role="analyst",
        request=signing_request(own, "eve"),
        made=int(time.time()),
    )
    enrolment = replace(unsigned, signature=own.sign(unsigned.signed_bytes()).hex())
    with refused("every member has a key of its own"):
        certify(made, enrolment)


def test_a_certificate_alone_makes_no_member(made, home):
    """The attack: the authority certifies an analyst without the other sites."""
    enrolment = enrolling.request_enrolment(home, "eva", "analyst")
    enrolling.install_enrolment(home, "eva", certify(made, enrolment))
    identity, consortium = Identity.load(enrolling.identity_file(home, "eva")), load_consortium(home)
    assert not is_pinned(identity, consortium)
    shown = PeerName(
        name="eva", role="analyst", fingerprint=identity.fingerprint, public_key=identity.public_hex
    )
    with pytest.raises(PeerRejectedError, match="not in the roster"):
        check_peer(shown, trust_of(consortium))


def test_only_a_certificate_for_the_own_key_is_kept(made, home):
    enrolment = enrolling.request_enrolment(home, "eva", "analyst")
    right = certify(made, enrolment)
    other = home_in(made, home.parent / "other")
    for name in ("eva", "eve"):
        foreign = enrolling.request_enrolment(other, name, "analyst")
        with refused("not for the key that eva made here"):
            enrolling.install_enrolment(home, "eva", certify(made, foreign))
    with refused("begin with crossward enrol"):
        enrolling.install_enrolment(home_in(made, home.parent / "third"), "eva", right)
    false = Authority.create("trial").certify(enrolment.public_key, "eva", "analyst")
    der = x509.load_pem_x509_certificate(false).public_bytes(serialization.Encoding.DER)
    forged = enrolling.RenewedCertificate(chain=enrolment.chain, certificate=der).to_bytes()
    with refused("not by the consortium's authority"):
        enrolling.install_enrolment(home, "eva", forged)
    with refused("has ended"):
        enrolling.install_enrolment(home, "eva", right, now=datetime.now(UTC) + timedelta(days=10_000))
    assert enrolling.install_enrolment(home, "eva", right) > datetime.now(UTC)
    assert os.stat(enrolling.identity_file(home, "eva")).st_mode & 0o077 == 0
    assert not enrolling.key_file(home, "eva").exists()
    with refused("eva has a certificate already"):
        enrolling.request_enrolment(home, "eva", "analyst")
    for wrong in ("e v:analyst", "eva:site"):
        with pytest.raises(ConfigError):
            enrolling.request_enrolment(home, *wrong.split(":"))


def test_each_step_that_was_killed_at_any_file_runs_again_with_the_same_key(made, tmp_path):
    for name in ("ask", "keep"):
        for at in range(1, 20):
            home = home_in(made, tmp_path / f"{name}{at}")
            key = certificate = None
            if name == "keep":
                enrolment = enrolling.request_enrolment(home, "eva", "analyst")
                key, certificate = enrolment.public_key.public_bytes_raw(), certify(made, enrolment)

            def step(home=home, certificate=certificate):
                if certificate is None:
                    return enrolling.request_enrolment(home, "eva", "analyst")
                return enrolling.install_enrolment(home, "eva", certificate)

            with pytest.MonkeyPatch.context() as patch:
                power = Power(patch, at=at)
                try:
                    step()
                except KilledError:
                    pass
                else:
                    assert power.count == at - 1 > 0
                    break
            again = step()
            if certificate is None:
                assert enrolling.request_enrolment(home, "eva", "analyst").public_key == again.public_key
            else:
                kept = Identity.load(enrolling.identity_file(home, "eva"))
                assert kept.signing_key.public_key().public_bytes_raw() == key
                assert not enrolling.key_file(home, "eva").exists()
            assert not list((home / "analysts").glob(".*"))
        else:
            pytest.fail("the step has more files than the walk")


# -- the amendment, against the consortium file ----------------------------------------------------------------------------


def test_an_amendment_with_a_name_or_a_key_of_the_consortium_file_is_refused(made):
    consortium, none = load_consortium(made.consortium), Roles()
    dealer = consortium.file.dealer
    good = RoleChange(change="add", role="analyst", name="eva", key="ab" * 32, cap=Fraction(1, 2))
    check_role_change(good, consortium, none)
    for change, said in (
        (replace(good, name="ada"), "ada is a member already"),
        (replace(good, name="dealer"), "dealer is a member already"),
        (replace(good, name="carl"), "carl is a member already"),
        (replace(good, key=dealer.public_key), "a key of its own"),
        (replace(good, key=consortium.file.sites["carl"].public_key), "a key of its own"),
        (replace(good, change="rekey", name="eva"), "eva is no analyst"),
        (replace(good, change="rekey", name="dealer"), "dealer is no analyst"),
        (replace(good, change="remove", name="zoe", key=""), "zoe is no analyst"),
        (replace(good, change="remove", role="auditor", name="ada", key=""), "ada is no auditor"),
    ):
        with pytest.raises(AmendmentRejectedError, match=said):
            check_role_change(change, consortium, none)


@pytest.fixture(scope="module")
def entries():
    """Eva is added, then ada removed, in a ledger that all its sites have signed."""
    world = World(budget=CAPPED).found()
    key = key_of("eva").public_key().public_bytes_raw().hex()
    for change in (
        RoleChange(change="add", role="analyst", name="eva", key=key, cap=Fraction(1, 2)),
        RoleChange(change="remove", role="analyst", name="ada", key=""),
    ):
        assert world.agree(change).entries
    return world, world.head.replica.core.state.member_entries


def test_a_members_file_gives_the_roles_and_one_that_not_all_signed_gives_nothing(entries):
    world, changes = entries
    founded, chain = world.head.replica.core.members(0), world.head.replica.core.chain()
    _, roles = read_changes(write_members(changes), founded, chain)
    assert roles.standings["eva"].added == 1
    assert roles.removed("ada") == 2
    first = changes[0]
    lone = dict.fromkeys(NAMES, sign_body(key_of("ankara"), first.hash))
    fewer = {name: value for name, value in first.signatures.items() if name != "cairo"}
    for wrong, said in (
        ([Entry(data=first.data, body=first.body, signatures=lone)], "signature of basel is wrong"),
        ([Entry(data=first.data, body=first.body, signatures=fewer)], "not signed by exactly its sites"),
        ([changes[1], changes[0]], "out of place"),
        ([first, first], "out of place"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_changes(write_members(wrong), founded, chain)
    assert read_changes(b"", founded, chain) == ((), Roles())


def test_who_may_ask_follows_the_entries(made, entries):
    _, changes = entries
    founded = load_consortium(made.consortium)
    before = replace(founded, roles=Roles((changes[0],)).present)
    after = replace(founded, roles=Roles(tuple(changes)).present)
    assert sorted(present_analysts(before)) == ["ada", "bo", "eva"]
    assert sorted(present_analysts(after)) == ["bo", "eva"]
    assert present_roles(after)["dealer"][0] == "dealer"
    ada = Identity.load(made.root / "analysts" / "ada.pem")
    assert is_pinned(ada, before)
    assert not is_pinned(ada, after)
    with pytest.raises(AmendmentRejectedError, match="eva is the only analyst"):
        only = Roles((*changes, replace_entry(changes[1], "bo")))
        check_role_change(RoleChange(change="remove", role="analyst", name="eva", key=""), founded, only)


def replace_entry(entry, name):
    content = replace(entry.body.content, name=name)
    return Entry(
        data=entry.data, body=replace(entry.body, content=content, number=3), signatures=entry.signatures
    )


def a_request_of(analyst, consortium):
    return Request(
        kind="query",
        mode="exact",
        epsilon=None,
        analyst=analyst,
        purpose="care",
        nonce="00" * 16,
        configuration=consortium.digest(),
        plan="00" * 32,
        question={"sql": "SELECT COUNT(*) AS n FROM visits"},
    ).to_bytes()


def test_a_request_is_checked_with_the_present_key_and_a_removed_analysts_is_kept_as_a_refusal(made, entries):
    _, changes = entries
    founded = load_consortium(made.consortium)
    after = replace(founded, roles=Roles(tuple(changes)).present)
    ada = Identity.load(made.root / "analysts" / "ada.pem")
    data = a_request_of("ada", founded)
    signature = ada.sign(REQUEST_TAG + data)
    assert check_signature(data, signature, founded, site="anna").analyst == "ada"
    with pytest.raises(RequestRejectedError, match="analyst ada was removed by entry 2 of the ledger"):
        check_signature(data, signature, after, site="anna")
    assert check_author(data, signature, after, site="anna").analyst == "ada"
    data = a_request_of("eva", founded)
    signature = key_of("eva").sign(REQUEST_TAG + data)
    assert check_signature(data, signature, after, site="anna").analyst == "eva"
    with pytest.raises(RequestRejectedError, match="not a member"):
        check_signature(data, signature, founded, site="anna")
