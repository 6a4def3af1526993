"""Answers and signatures that travel directly: the whole way, and who attacks it."""

import re
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from federation.consortium.admission.deliveries import FILE_BYTES, HEAD_BYTES, Delivery, DeliveryReply
from federation.consortium.admission.invitations import DAY_S, Answer, Invitation
from federation.errors import ConfigError, FoundingRefusedError, SiteUnavailableError
from federation.network.direct import deliver, listen_for_deliveries
from federation.setup.free_ports import free_ports
from federation.setup.several_machines import collecting, delivering, founding, joining, signing
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.pinned import CallRate, dial_pinned
from tests.setup.founding_world import NOW, World, copied


class Place:
    """A founder who listens; what its administrator is told, and how many deliveries were read."""

    def __init__(self, world, *, now=NOW, rate=None):
        self.told, self.n_read = [], 0
        folder = world.folder("anna")
        self.collector = collecting.Collector(folder, tell=self.told.append, clock=lambda: now)
        self.address = ("127.0.0.1", int(self.collector.address.rpartition(":")[2]))

        def take(nonce, head, file):
            self.n_read += 1
            return self.collector.take(nonce, head, file)

        self.listener = listen_for_deliveries(
            self.address, self.collector.identity_file, take, name="anna", rate=rate
        )


@contextmanager
def listening(world, **options):
    place = Place(world, **options)
    try:
        yield place
    finally:
        place.listener.stop()


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    world = World(root=tmp_path_factory.mktemp("direct"))
    world.found(direct=f"127.0.0.1:{free_ports(1)[0]}")
    for name in ("bert", "ada"):
        world.join(name)
    return world


@pytest.fixture
def world(founded, tmp_path):
    return copied(founded, tmp_path)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(delivering, "POLL_S", 0.05)


def bring(world, folder, brings="answer", *, wants="draft", wait_s=0.0):
    return delivering.bring(world.folder(folder), brings, wants=wants, wait_s=wait_s)


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


def pinned(world, name="bert"):
    return Invitation.from_bytes(world.invitation(name)).certificate


def test_direct_from_answers_to_the_agreement(world):
    with listening(world) as place:
        assert bring(world, "bert") is None
        assert bring(world, "ada", wants="agreement") is None
        arrived = collecting.arrived_answers(world.folder("anna"))
        assert arrived == {name: world.answer(name) for name in ("ada", "bert")}
        words = {name: world.words(name) for name in arrived}
        founding.admit(world.folder("anna"), list(arrived.values()), words=words, now=NOW)
        assert bring(world, "bert") is None  # the draft holds guesses, which no site signs
        world.look()
        world.admit()
        draft = bring(world, "bert")
        assert draft.read_bytes() == world.draft()
        assert collecting.arrived_answers(world.folder("anna")) == {}
        world.sign("bert", draft=draft.read_bytes())
        assert bring(world, "bert", "signature", wants="agreement") is None
        world.sign("anna")
        agreement = bring(world, "bert", "signature", wants="agreement")
        assert not place.collector.done.is_set()
        assert (
            bring(world, "ada", wants="agreement").read_bytes() == agreement.read_bytes() == world.agreement()
        )
        assert place.collector.done.is_set()
    world.begin("bert", agreement.read_bytes())
    world.begin("ada", agreement.read_bytes())
    texts = {(world.folder(name) / "consortium.toml").read_bytes() for name in ("anna", "bert", "ada")}
    assert len(texts) == 1
    for line in ("the answer of bert arrived", "the answer of ada arrived", "the signature of bert arrived"):
        assert sum(line in told for told in place.told) == 1


def test_a_member_waits_until_the_founder_listens_and_admits(world):
    found = []
    member = threading.Thread(target=lambda: found.append(bring(world, "bert", wait_s=60)))
    member.start()
    with listening(world):
        while not collecting.arrived_answers(world.folder("anna")):
            pass
        world.admit("bert", "ada")
        world.look()
        world.admit()
        member.join(60)
    assert [path.read_bytes() for path in found] == [world.draft()]


def test_an_invitation_answered_twice_is_refused_and_the_founder_is_told(world):
    world.join("bert", folder="thief")
    with listening(world) as place:
        bring(world, "bert")
        bring(world, "bert")  # the same answer again is the same answer
        with refused("used already, by an answer of .* with another key"):
            bring(world, "thief")
    assert collecting.arrived_answers(world.folder("anna")) == {"bert": world.answer("bert")}
    assert [text.partition(":")[0] for text in place.told] == ["the answer of bert arrived", "REFUSED"]


def test_a_third_party_that_comes_first_is_found_by_the_words_and_gets_no_draft(world):
    world.join("bert", folder="thief")
    with listening(world):
        bring(world, "thief")
        with refused("used already"):
            bring(world, "bert")
        stolen = list(collecting.arrived_answers(world.folder("anna")).values())
        with refused("words for bert differ"):
            founding.admit(world.folder("anna"), stolen, words={"bert": world.words("bert")}, now=NOW)
        assert bring(world, "thief") is None
        founding.invite(world.folder("anna"), "bert", "site", now=NOW)
        assert collecting.arrived_answers(world.folder("anna")) == {}
        world.join("bert", folder="again")
        assert bring(world, "again") is None
        with refused("does not prove an invitation"):
            bring(world, "thief")
    assert list(collecting.arrived_answers(world.folder("anna"))) == ["bert"]


def test_after_admission_the_used_token_brings_no_other_key(world):
    world.join("bert", folder="thief")
    with listening(world):
        bring(world, "bert")
        world.admit("bert")
        (world.folder("anna") / "arrived" / "bert.answer.json").unlink()
        with refused("used already"):
            bring(world, "thief")
        with refused("does not prove an invitation"):
            bring_nothing(world, "thief", wants="draft")


def bring_nothing(world, folder, *, wants):
    return delivering._once(world.folder(folder), "nothing", wants, b"")


@pytest.mark.parametrize("wants", ["draft", "agreement"])
def test_who_holds_the_token_and_not_the_admitted_key_gets_nothing(world, wants):
    world.join("bert", folder="thief")
    world.look()
    world.admit("bert", "ada")
    with listening(world), refused("does not prove an invitation"):
        bring_nothing(world, "thief", wants=wants)


def test_an_expired_invitation_is_refused(world):
    with listening(world, now=NOW + 14 * DAY_S) as place:
        with refused("expired on"):
            bring(world, "bert")
    assert not collecting.arrived_answers(world.folder("anna"))
    assert place.n_read == 1


def test_an_answer_to_another_consortium_is_refused_with_nothing_said(world, tmp_path):
    other = World(root=tmp_path / "other")
    other.root.mkdir()
    direct = Invitation.from_bytes(world.invitation("bert")).direct
    other.found(direct=direct)
    (other.folder("anna") / "direct.pem").write_bytes((world.folder("anna") / "direct.pem").read_bytes())
    founding.invite(other.folder("anna"), "bert", "site", now=NOW)  # it pins the place of the first one
    other.join("bert")
    with listening(world) as place, refused("does not prove an invitation"):
        bring(other, "bert")
    assert place.n_read == 1
    assert not collecting.arrived_answers(world.folder("anna"))


def test_an_answer_without_the_token_is_refused(world):
    invitation = Invitation.from_bytes(world.invitation("bert"))
    guess = invitation.to_bytes().replace(invitation.token.encode(), b"0" * 32)
    world.join("bert", folder="guesser", invitation=guess)
    with listening(world), refused("does not prove an invitation"):
        bring(world, "guesser")


def test_another_certificate_is_refused_before_anything_is_sent(world, tmp_path):
    """A third party listens at the founder's address."""
    other = World(root=tmp_path / "other")
    other.root.mkdir()
    direct = Invitation.from_bytes(world.invitation("bert")).direct
    other.found(direct=direct)
    with listening(other) as place:
        with refused("is not the founder that the invitation names .*; nothing was sent"):
            bring(world, "bert", wait_s=60)
        with pytest.raises(PeerRejectedError):
            deliver(place.address, pinned(world), lambda _: pytest.fail("it composed a delivery"))
    assert place.n_read == 0


def test_a_recorded_delivery_is_worth_nothing_on_another_connection(world):
    recorded = []
    key = joining.member_key(
        joining.MemberFolder(root=world.folder("bert")), Invitation.from_bytes(world.invitation("bert"))
    )

    def compose(nonce, **changes):
        given = {
            "brings": "answer",
            "wants": "nothing",
            "file": world.answer("bert"),
            "nonce": nonce,
            "certificate": pinned(world),
        } | changes
        recorded.append((Delivery.write("bert", key, **given).to_bytes(), given["file"]))
        return recorded[-1]

    def said(one):
        return DeliveryReply.from_bytes(deliver(place.address, pinned(world), one)[0])

    with listening(world) as place:
        assert said(compose).state == "waiting"
        assert said(lambda _: recorded[0]).state == "refused"
        assert said(lambda nonce: compose(nonce, certificate="00" * 32)).state == "refused"
        head, _ = recorded[0]
        assert said(lambda nonce: (compose(nonce)[0], b"another file")).state == "refused"
        assert said(lambda _: (head.replace(b'"bert"', b'"anna"'), b"")).state == "refused"
        assert said(lambda _: (head.replace(b'"bert"', b'"zoe"'), b"")).reason.startswith(
            "this is not a valid"
        )
    assert place.n_read == 6


@pytest.mark.parametrize(
    ("head", "file"),
    [
        (b"x" * (HEAD_BYTES + 1), b""),
        (b"{}", b"x" * (FILE_BYTES + 1)),
        (b"{}", b"x" * (64 << 20)),
    ],
)
def test_what_is_too_long_is_never_read_and_the_place_lives_on(world, head, file):
    with listening(world) as place:
        with pytest.raises((PartyLostError, PeerRejectedError)):
            deliver(place.address, pinned(world), lambda _: (head, file))
        assert place.n_read == 0
        assert bring(world, "bert") is None
        assert place.n_read == 1


@pytest.mark.parametrize(
    "head", [b"", b"{}", b"\xff" * 40, b"[" * 2000, b'{"format":"crossward/delivery/1"}']
)
def test_garbage_is_refused_and_the_place_lives_on(world, head):
    with listening(world) as place:
        reply, file = deliver(place.address, pinned(world), lambda _: (head, b"\0" * 100))
        assert DeliveryReply.from_bytes(reply).state == "refused"
        assert file == b""
        with socket.create_connection(place.address, timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"arrived" not in plain.recv(4096)
        assert bring(world, "bert") is None


def test_silent_callers_hold_no_place_for_long(world):
    with listening(world) as place:
        silent = [socket.create_connection(place.address, timeout=5) for _ in range(40)]
        try:
            assert bring(world, "bert") is None
            assert collecting.arrived_answers(world.folder("anna"))
        finally:
            for each in silent:
                each.close()


def test_each_address_may_call_so_often_in_a_minute(world):
    times = [0.0]
    with listening(world, rate=CallRate(2, lambda: times[0])) as place:
        for _ in range(2):
            bring(world, "bert")
        with pytest.raises((PartyLostError, PeerRejectedError)):
            deliver(place.address, pinned(world), lambda _: (b"{}", b""))
        assert place.n_read == 2
        times[0] = 60.0
        bring(world, "bert")
        assert place.n_read == 3


def test_call_rates_are_counted_by_address_and_forgotten():
    now = [0.0]
    rate = CallRate(2, lambda: now[0])
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    assert rate.allows("b")
    now[0] = 60.0
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    for number in range(10_000):
        assert rate.allows(str(number))
    assert len(rate._calls) <= 4096


def test_older_tls_is_refused(world):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(world) as place, socket.create_connection(place.address, timeout=5) as plain:
        with pytest.raises(OSError, match=r"(?i)version|eof|reset"):
            context.wrap_socket(plain)


def test_a_signature_of_another_site_or_draft_is_refused(world):
    world.look()
    world.admit("bert", "ada")
    world.sign("bert")
    other = world.draft().replace(b'epsilon = \\"4\\"', b'epsilon = \\"5\\"')
    path = joining.MemberFolder(root=world.folder("bert")).signature("bert")
    with listening(world):
        for data, said in (
            (signed(world, other), "signed another draft"),
            (path.read_bytes().replace(b'"bert"', b'"anna"'), "a signature that is not its own"),
            (world.answer("bert"), "not a valid signature"),
        ):
            with refused(said):
                delivering._once(world.folder("bert"), "signature", "nothing", data)
        assert not (world.folder("anna") / "exchange" / "bert.signature.json").exists()
        assert bring(world, "bert", "signature", wants="agreement") is None


def signed(world, draft):
    from federation.consortium.admission.approvals import Draft, Signature

    invitation = Invitation.from_bytes(world.invitation("bert"))
    key = joining.member_key(joining.MemberFolder(root=world.folder("bert")), invitation)
    return Signature.write(Draft.from_bytes(draft), "bert", key).to_bytes()


def test_what_the_founder_sends_is_checked_as_what_comes_by_mail(world):
    """A founder's machine that was taken over sends another draft: the member's own checks refuse it."""
    world.look()
    world.admit("bert", "ada")
    draft = world.folder("anna") / "draft.json"
    draft.write_bytes(world.draft().replace(b"127.0.0.1:17103", b"127.0.0.1:17999"))
    with listening(world):
        path = bring(world, "bert")
    with refused("gives bert the address"):
        signing.review(world.folder("bert"), path.read_bytes())


def test_an_unreachable_founder_and_a_missing_address_are_named(world, tmp_path):
    with pytest.raises(
        SiteUnavailableError, match=r"cannot be reached; send .*bert.answer.json by other means"
    ):
        bring(world, "bert")
    mail = World(root=tmp_path / "mail")
    mail.root.mkdir()
    mail.found()
    mail.join("bert")
    with refused("names no direct address"):
        bring(mail, "bert")
    with refused("name no direct address"):
        collecting.Collector(mail.folder("anna"))
    founding.invite(mail.folder("anna"), "bert", "site", direct="127.0.0.1:9", now=NOW)
    assert Invitation.from_bytes(mail.invitation("bert")).direct == "127.0.0.1:9"
    with pytest.raises(ConfigError, match="--direct"):
        founding.invite(mail.folder("anna"), "bert", "site", direct="nowhere", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub(r'"direct":"[^"]*"', '"direct":""', text),
        lambda text: text.replace('"certificate":"', '"certificate":"00'),
        lambda text: text.replace('"direct":"127.0.0.1:', '"direct":"'),
    ],
    ids=["address", "certificate", "port alone"],
)
def test_an_invitation_with_half_an_address_is_refused(world, change):
    changed = change(world.invitation("bert").decode())
    assert changed.encode() != world.invitation("bert")
    with refused("not a valid invitation"):
        Invitation.from_bytes(changed.encode())


def test_the_certificate_of_the_place_is_no_members(world):
    from federation.identity.certificates import Identity

    with pytest.raises(ConfigError):
        Identity.load(world.folder("anna") / "direct.pem")
    assert (world.folder("anna") / "direct.pem").stat().st_mode & 0o077 == 0


def test_no_token_travels(world):
    seen = []
    with listening(world) as place:
        honest = place.collector.take
        place.collector.take = lambda *parts: seen.append(parts) or honest(*parts)
        bring(world, "bert")
    token = Invitation.from_bytes(world.invitation("bert")).token.encode()
    assert seen
    assert all(token not in part for parts in seen for part in parts)


def test_dialing_a_place_that_is_none_says_so():
    with pytest.raises(PartyLostError):
        dial_pinned(("127.0.0.1", free_ports(1)[0]), "00" * 32, name="the founder", deadline_s=1)


def test_answers_that_arrived_are_of_their_names(world):
    with listening(world):
        bring(world, "bert")
    (data,) = collecting.arrived_answers(world.folder("anna")).values()
    assert Answer.from_bytes(data).name == "bert"
