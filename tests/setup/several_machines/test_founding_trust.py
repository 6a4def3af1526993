"""The founder's authority adds no member alone: trusted is only what the file pins that all sites have signed."""

import hashlib
import threading
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from federation.consortium.admission.approvals import Agreement, Draft
from federation.consortium.consortium_file import load_consortium
from federation.consortium.genesis import genesis_body
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, trust_of
from federation.network.tls import TlsNetwork, addresses_of
from federation.setup.free_ports import free_ports
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry, body_hash, sign_body
from privacy_accounting.ledger.parties.members import Members
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.endpoint import Endpoint
from tests.setup.founding_world import World

DIAL_S = 5.0


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    world = World(root=tmp_path_factory.mktemp("trust"))
    world.found(address=f"127.0.0.1:{free_ports(1)[0]}")
    for name in ("bert", "ada"):
        world.join(name)
    world.look()
    world.admit("bert", "ada")
    world.sign("anna")
    world.sign("bert")
    world.begin("anna", world.signature("bert"))
    for name in ("bert", "ada"):
        world.begin(name, world.agreement())
    return world


@pytest.fixture
def authority(begun):
    return Authority.load(begun.folder("anna") / "authority")


@pytest.fixture
def agreement(begun):
    return load_consortium(begun.folder("anna") / "consortium.toml")


def member_of(begun, name):
    (path,) = begun.folder(name).rglob(f"{name}.pem")
    return Identity.load(path)


def der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def caller(agreement, identity):
    """An end that does everything right but for its certificate."""
    return Endpoint(
        name=identity.name,
        identity_file=identity.path,
        trust=trust_of(agreement),
        configuration=bytes.fromhex(agreement.digest()),
        user_timeout_s=5.0,
        delay_s=0.0,
    )


@pytest.mark.parametrize(
    ("name", "role"), [("zoe", "analyst"), ("zoe", "site"), ("ada", "analyst"), ("bert", "site")]
)
def test_certificate_that_the_signed_file_does_not_pin_is_refused_at_the_handshake(
    begun, authority, agreement, tmp_path, name, role
):
    path = tmp_path / "second.pem"
    path.write_bytes(authority.issue(name, role))
    path.chmod(0o600)
    reached = threading.Event()
    node = TlsNetwork(consortium=agreement, identity=member_of(begun, "anna"))
    node.serve("request", lambda channel: reached.set())
    try:
        with pytest.raises((PeerRejectedError, PartyLostError)):
            connection = caller(agreement, Identity.load(path)).dial(
                addresses_of(agreement)["anna"], "anna", "request", deadline_s=DIAL_S
            )
            connection.send_message(b"hello")
            connection.receive_message(100, 2.0)
        assert not reached.is_set()
    finally:
        node.close()


def test_member_that_the_signed_file_pins_passes_the_handshake(begun, agreement):
    """The control of the test above: the same call with the pinned certificate."""
    reached = threading.Event()
    node = TlsNetwork(consortium=agreement, identity=member_of(begun, "anna"))
    node.serve("request", lambda channel: reached.set())
    client = TlsNetwork(consortium=agreement, identity=member_of(begun, "ada"))
    try:
        client.dial("anna", "request", DIAL_S)
        assert reached.wait(DIAL_S)
    finally:
        client.close()
        node.close()


def signed_genesis(agreement, keys):
    data = genesis_body(agreement).to_bytes()
    return Entry(
        data=data,
        body=genesis_body(agreement),
        signatures={name: sign_body(key, body_hash(data)) for name, key in keys.items()},
    )


def test_key_that_the_signed_file_does_not_pin_signs_no_ledger_entry(begun, authority, agreement):
    keys = {name: member_of(begun, name).signing_key for name in agreement.names}
    members = Members.first(genesis_body(agreement).content)
    members.check_complete(signed_genesis(agreement, keys))
    again = Identity.from_pem(authority.issue("bert", "site")).signing_key
    with pytest.raises(LedgerRefusedError, match="signature of bert is wrong"):
        members.check_complete(signed_genesis(agreement, keys | {"bert": again}))
    stranger = Identity.from_pem(authority.issue("zoe", "site")).signing_key
    with pytest.raises(LedgerRefusedError, match="not signed by exactly its sites"):
        members.check_complete(signed_genesis(agreement, keys | {"zoe": stranger}))
    with pytest.raises(LedgerRefusedError, match="not signed by exactly its sites"):
        members.check_complete(signed_genesis(agreement, {"anna": keys["anna"]}))


def test_draft_with_a_certificate_that_its_text_does_not_pin_is_refused(begun, authority):
    draft = Draft.from_bytes(begun.draft())
    more = {**draft.certificates, "zoe": der(authority.issue("zoe", "site"))}
    with pytest.raises(
        ConfigError, match="certificate of zoe is for a name that the consortium file does not pin"
    ):
        replace(draft, certificates=more).check()
    other = {**draft.certificates, "bert": der(authority.issue("bert", "site"))}
    with pytest.raises(ConfigError, match="certificate of bert is not the one that the consortium file pins"):
        replace(draft, certificates=other).check()
    fewer = {name: each for name, each in draft.certificates.items() if name != "bert"}
    with pytest.raises(ConfigError, match="bert has no certificate"):
        replace(draft, certificates=fewer).check()


def test_draft_with_a_certificate_of_another_authority_is_refused(begun):
    draft = Draft.from_bytes(begun.draft())
    foreign = der(Authority.create("heart").issue("bert", "site"))
    fingerprint = hashlib.sha256(foreign).hexdigest()
    key = x509.load_der_x509_certificate(foreign).public_key().public_bytes_raw().hex()
    pinned = draft.consortium().file.sites["bert"]
    text = draft.text.replace(pinned.fingerprint, fingerprint).replace(pinned.public_key, key)
    with pytest.raises(ConfigError, match="certificate of bert was not issued by the consortium's authority"):
        replace(draft, text=text, certificates={**draft.certificates, "bert": foreign}).check()


def test_founder_cannot_add_a_site_after_the_others_have_signed(begun, authority):
    """The founder holds every signature and the authority, writes one more analyst into the text, and signs anew."""
    agreement = Agreement.from_bytes(begun.agreement())
    pem = authority.issue("zoe", "analyst")
    zoe = Identity.from_pem(pem)
    text = agreement.draft.text + (
        f'[analysts.zoe]\nfingerprint = "{zoe.fingerprint}"\npublic_key = "{zoe.public_hex}"\n'
    )
    more = Draft(
        text=text,
        authority=agreement.draft.authority,
        certificates={**agreement.draft.certificates, "zoe": der(pem)},
    )
    assert "zoe" in more.check()[0].file.analysts
    with pytest.raises(FoundingRefusedError, match="signed another draft"):
        Agreement(draft=more, signatures=agreement.signatures).check()
    with pytest.raises(FoundingRefusedError, match="another file than the one that bert signed"):
        begun.begin("bert", Agreement(draft=more, signatures=agreement.signatures).to_bytes())


def test_signature_by_another_site_or_key_is_refused(begun):
    agreement = Agreement.from_bytes(begun.agreement())
    signatures = agreement.signatures
    swapped = {"anna": signatures["anna"], "bert": replace(signatures["anna"], name="bert")}
    with pytest.raises(FoundingRefusedError, match="signature of bert is not by the key"):
        Agreement(draft=agreement.draft, signatures=swapped).check()
    analyst = {**signatures, "ada": replace(signatures["anna"], name="ada")}
    with pytest.raises(FoundingRefusedError, match="ada signed, but is not a site"):
        Agreement(draft=agreement.draft, signatures=analyst).check()


@pytest.mark.parametrize(
    ("left_days", "said"),
    [(1, "ends in 1 day"), (12, "ends in 12 days"), (400, "")],
)
def test_certificate_that_ends_soon_is_named_in_days(begun, left_days, said):
    from datetime import timedelta

    draft = Draft.from_bytes(begun.draft())
    ends = member_of(begun, "bert").valid_until
    _, remarks = draft.check(ends - timedelta(days=left_days))
    named = [remark for remark in remarks if "bert" in remark]
    assert named == ([f"the certificate of bert {said}"] if said else [])


def test_certificate_that_has_ended_or_begins_later_is_refused(begun):
    from datetime import UTC, datetime, timedelta

    draft = Draft.from_bytes(begun.draft())
    with pytest.raises(ConfigError, match=r"certificate of bert ended on \d{4}-\d{2}-\d{2}"):
        draft.check(member_of(begun, "bert").valid_until + timedelta(seconds=1))
    with pytest.raises(
        ConfigError, match=r"certificate of bert begins \d\.\d days ahead of this machine's clock"
    ):
        draft.check(datetime.now(UTC) - timedelta(days=1))
