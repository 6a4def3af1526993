"""The renewal of members that are not sites: attacks on the certificate, and the exchange killed at every file."""

import time
from dataclasses import replace
from fractions import Fraction

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.client.connect import only_identity
from federation.client.kept.answer_store import AnswerStore, Release, carry_answers, take_carried_answers
from federation.consortium.consortium_file import load_consortium
from federation.errors import FoundingRefusedError, RequestRejectedError
from federation.identity.certificates import Identity, is_pinned, trust_of
from federation.identity.next_identity import exchange_identity
from federation.identity.signing_request import signing_request
from federation.protocol.request import REQUEST_TAG
from federation.requests.planning import check_signature
from federation.setup.several_machines import renewing, renewing_members
from privacy_accounting.ledger.changes.role_change import RoleChange
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import PeerName, check_peer
from tests.cli.conftest import make_folder
from tests.ledger.ledger_world import World, a_budget
from tests.setup.several_machines.test_enrolling import a_request_of
from tests.setup.several_machines.test_founding_faults import KilledError, Power

RELEASE = Release(number=1, entry_hash="ab" * 32, time=1, epsilon="0.5", about={"table": "visits"}, blocks={})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("renewing") / "here", analysts=("ada",))


@pytest.fixture
def folders(tmp_path):
    return make_folder(tmp_path / "here", analysts=("ada",))


def analyst(folders):
    return folders.root / "analysts" / "ada.pem"


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


def roles_with(name, role, key):
    """The roles of a ledger in which all sites have signed that a member has another key."""
    world = World(budget=a_budget(analyst_caps={"ada": Fraction(1)})).found()
    assert world.agree(RoleChange(change="rekey", role=role, name=name, key=key)).entries
    return world.head.replica.core.state.roles


def test_only_what_the_present_key_has_signed_is_certified_and_for_the_same_role(made):
    consortium, now = load_consortium(made.consortium), int(time.time())
    new = Ed25519PrivateKey.generate()
    ada, bert = Identity.load(analyst(made)), Identity.load(made.site_identity("bert"))
    dealer = Identity.load(made.helper("dealer"))

    def renewal(name, signer, key=new):
        unsigned = renewing.Renewal(
            chain=consortium.digest(), name=name, request=signing_request(key, name), made=now
        )
        return replace(unsigned, signature=signer.sign(unsigned.signed_bytes()).hex()).to_bytes()

    for name, signer, key, said in (
        ("ada", bert, new, "not signed by the key that the members know"),
        ("dealer", ada, new, "not signed by the key that the members know"),
        ("zoe", ada, new, "zoe is not a member"),
        ("ada", ada, dealer.signing_key, "for a key that a member has"),
        ("ada", ada, ada.signing_key, "for a key that a member has"),
    ):
        with refused(said):
            renewing.certify_renewal(made.root, renewal(name, signer, key))
    for name, signer, role in (("ada", ada, "analyst"), ("dealer", dealer, "dealer")):
        data, whose = renewing.certify_renewal(made.root, renewal(name, signer))
        found = renewing.RenewedCertificate.from_bytes(data).read(consortium)
        assert (whose, found.name, found.role) == (name, name, role)


def test_after_the_entry_the_old_certificate_passes_nowhere_and_signs_nothing(made):
    ada, new = Identity.load(analyst(made)), Ed25519PrivateKey.generate()
    key = new.public_key().public_bytes_raw().hex()
    founded = load_consortium(made.consortium)
    after = replace(founded, roles=roles_with("ada", "analyst", key).present)
    assert is_pinned(ada, founded)
    assert not is_pinned(ada, after)
    check_peer(PeerName(name="ada", role="analyst", fingerprint="0" * 64, public_key=key), trust_of(after))
    for role, shown in (("auditor", key), ("analyst", ada.public_hex), ("analyst", "")):
        peer = PeerName(name="ada", role=role, fingerprint=ada.fingerprint, public_key=shown)
        with pytest.raises(PeerRejectedError):
            check_peer(peer, trust_of(after))
    data = a_request_of("ada", founded)
    with pytest.raises(RequestRejectedError, match="has not signed it"):
        check_signature(data, ada.sign(REQUEST_TAG + data), after, site="anna")
    assert check_signature(data, new.sign(REQUEST_TAG + data), after, site="anna").analyst == "ada"


def test_each_role_renews_by_its_own_file(folders):
    for path, name in ((analyst(folders), "ada"), (folders.helper_file("dealer"), "dealer")):
        request, key = renewing_members.request_member_renewal(path, None)
        assert renewing_members.request_member_renewal(path, None)[1] == key
        certificate, whose = renewing.certify_renewal(folders.root, request)
        assert whose == name
        with refused("no site"):
            renewing_members.install_member_renewal(folders.site("bert"), certificate, None)
        renewing_members.install_member_renewal(path, certificate, None)
        assert renewing_members.request_member_renewal(path, None)[1] == key
    assert only_identity(folders.consortium) == analyst(folders).resolve()  # not the next one


def prepared(folders):
    path = analyst(folders)
    AnswerStore(Identity.load(path)).add(RELEASE)
    request, key = renewing_members.request_member_renewal(path, None)
    renewing_members.install_member_renewal(path, renewing.certify_renewal(folders.root, request)[0], None)
    return path, key


def exchange(path, key):
    identity, upcoming = exchange_identity(path, {"ada": key}, carry=carry_answers)
    take_carried_answers(path)
    assert upcoming is None
    return identity


def test_the_exchange_waits_for_the_entry_and_keeps_the_released_answers(folders):
    path, key = prepared(folders)
    before = Identity.load(path)
    for keys in ({}, {"ada": before.public_hex}, {"bo": key}):
        assert exchange_identity(path, keys, carry=carry_answers)[0].public_hex == before.public_hex
    after = exchange(path, key)
    assert after.public_hex == key
    assert AnswerStore(after).releases() == [RELEASE]
    assert not path.with_suffix(".next.answers").exists()


def test_the_exchange_that_was_killed_at_any_file_runs_again_and_loses_no_answer(tmp_path):
    for at in range(1, 20):
        path, key = prepared(make_folder(tmp_path / str(at), analysts=("ada",)))
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, at=at)
            try:
                exchange(path, key)
            except KilledError:
                pass
            else:
                assert power.count == at - 1 > 1
                break
        assert Identity.load(path).name == "ada"  # whole at every moment
        after = exchange(path, key)
        assert after.public_hex == key
        assert AnswerStore(after).releases() == [RELEASE]
    else:
        pytest.fail("the exchange has more files than the walk")
