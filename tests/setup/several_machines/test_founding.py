"""Founding a consortium over several machines: what is refused, and by which name."""

import tomllib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from federation.consortium.admission.approvals import Agreement, Draft
from federation.consortium.admission.comparison_words import WORDS, check_words, comparison_words
from federation.consortium.admission.invitations import DAY_S, Answer, Invitation
from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.certificates import Identity, trust_of
from federation.identity.signing_request import requested_key, signing_request
from federation.setup.several_machines import founding, signing
from tests.setup.founding_world import CANARY, NOW, World, copied, rows

ALL_ROLES = {
    "bert": "site",
    "deal": "dealer",
    "add": "aggregator",
    "hold": "keyholder",
    "ada": "analyst",
    "vera": "auditor",
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Everybody has joined, and the founder has admitted none but itself."""
    world = World(root=tmp_path_factory.mktemp("answered"))
    world.found()
    for name in ("bert", "ada"):
        world.join(name)
    world.look()
    return world


@pytest.fixture(scope="module")
def drafted(answered, tmp_path_factory):
    world = copied(answered, tmp_path_factory.mktemp("drafted"))
    world.admit("bert", "ada")
    return world


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Every role has begun."""
    world = World(root=tmp_path_factory.mktemp("begun"))
    world.to_end(ALL_ROLES)
    return world


@pytest.fixture
def at_answers(answered, tmp_path):
    return copied(answered, tmp_path)


@pytest.fixture
def at_draft(drafted, tmp_path):
    return copied(drafted, tmp_path)


def refused(match):
    return pytest.raises(FoundingRefusedError, match=match)


def test_founding_gives_all_members_the_same_agreement_with_their_own_keys(begun):
    digests = set()
    for name, role in begun.roles.items():
        agreement = load_consortium(begun.folder(name) / "consortium.toml")
        digests.add(agreement.digest())
        place = "analysts" if role in {"analyst", "auditor"} else "."
        who = Identity.load(begun.folder(name) / place / f"{name}.pem")
        assert trust_of(agreement).roster[name] == (role, who.fingerprint)
        assert who.is_issued_by(agreement.authority_pem)
    assert len(digests) == 1
    assert load_site(begun.folder("bert") / "site.toml").file.site == "bert"
    bare = {path.name for path in begun.root.rglob("*.key")}
    assert bare == {"authority.key", "paillier.key", "site.key"}


def test_founding_sends_no_private_key(begun):
    secrets = {
        name: Identity.load(path).signing_key.private_bytes_raw()
        for name in begun.roles
        for path in begun.folder(name).rglob(f"{name}.pem")
    }
    assert len(secrets) == len(begun.roles)
    for path in begun.exchanged():
        content = path.read_bytes()
        assert b"PRIVATE" not in content
        assert not [name for name, secret in secrets.items() if secret.hex().encode() in content]
    for path in begun.folder("anna").rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert path.name in {"anna.pem", "authority.key"} or b"PRIVATE KEY" not in text


def test_founding_sends_no_value_of_the_data(begun):
    """One person's age stands in every site's file and in none that travels; bounds are round numbers."""
    assert f"{CANARY},F" in begun.data("bert").read_text()
    for path in begun.exchanged():
        words = path.read_text().replace('"', " ").replace(",", " ").split()
        assert str(CANARY) not in words
        assert begun.data("bert").name not in path.read_text()


def test_founding_guesses_are_marked_and_no_site_signs_them(tmp_path):
    world = World(root=tmp_path)
    world.found()
    terms = tomllib.loads((world.folder("anna") / "terms.toml").read_text())
    table = terms["tables"]["patients"]
    assert all(column["guessed"] for column in table["columns"].values())
    assert "rows_max" in table["guessed"]
    for name in ("bert", "ada"):
        world.join(name)
    world.admit("bert", "ada")
    with refused("no site signs what is guessed"):
        world.sign("bert")
    assert not (world.folder("bert") / "exchange" / "bert.signature.json").exists()


def test_invitation_used_twice_is_refused_by_name(at_answers):
    at_answers.join("bert", folder="second")
    at_answers.admit("bert")
    second = (at_answers.folder("second") / "exchange" / "bert.answer.json").read_bytes()
    with refused("invitation of bert was used already"):
        founding.admit(at_answers.folder("anna"), [second], words={"bert": at_answers.words("bert")}, now=NOW)
    again = at_answers.admit("bert", words={})
    assert "bert" in again.members


def test_expired_invitation_is_refused_by_name_at_both_ends(at_answers):
    late = NOW + 15 * DAY_S
    with refused(r"invitation of bert expired on \d{4}-"):
        at_answers.join("bert", folder="late", now=late)
    assert not at_answers.folder("late").exists()
    with refused(r"invitation of bert expired on \d{4}-"):
        at_answers.admit("bert", now=late)
    path = founding.invite(at_answers.folder("anna"), "bert", "site", now=late)
    assert Invitation.from_bytes(path.read_bytes()).expires > late
    with refused("another invitation than the last one"):
        at_answers.admit("bert", now=late)


def test_answer_of_another_consortium_is_refused(at_answers, tmp_path):
    other = World(root=tmp_path / "other")
    other.root.mkdir()
    other.found(name="lungs")
    other.join("bert")
    with refused("another consortium, lungs"):
        founding.admit(
            at_answers.folder("anna"), [other.answer("bert")], words={"bert": other.words("bert")}, now=NOW
        )
    with refused("answers the invitation of bert to heart"):
        at_answers.join("bert", invitation=other.invitation("bert"))
    same_name = World(root=tmp_path / "same")
    same_name.root.mkdir()
    same_name.found()
    same_name.join("bert")
    with refused("another consortium"):
        founding.admit(at_answers.folder("anna"), [same_name.answer("bert")], words={"bert": "x"}, now=NOW)


def forged(world, *, token=None, request=None, sign_with=None, **changes):
    """An answer to bert's invitation by a machine that has another key."""
    invitation = Invitation.from_bytes(world.invitation("bert"))
    key = Ed25519PrivateKey.generate()
    held = (
        invitation
        if token is None
        else Invitation.from_bytes(invitation.to_bytes().replace(invitation.token.encode(), token.encode()))
    )
    answer = Answer.write(
        held, key, request=request or signing_request(key, "bert"), address="127.0.0.1:9", made=NOW
    )
    answer = replace(answer, invitation=invitation.digest, **changes)
    if token is not None or changes:
        answer = replace(answer, signature=key.sign(answer.signed_bytes()).hex())
    if sign_with is not None:
        answer = replace(answer, signature=sign_with.sign(answer.signed_bytes()).hex())
    words = " ".join(invitation.words(answer.public_key))
    return lambda: founding.admit(world.folder("anna"), [answer.to_bytes()], words={"bert": words}, now=NOW)


def test_answer_signed_by_another_key_is_refused(at_answers):
    with refused("not signed by the key that it names"):
        forged(at_answers, sign_with=Ed25519PrivateKey.generate())()
    with refused("asks a certificate for another key"):
        forged(at_answers, request=signing_request(Ed25519PrivateKey.generate(), "bert"))()
    with refused("request is not for bert"):
        forged(at_answers, request=signing_request(Ed25519PrivateKey.generate(), "carl"))()
    with refused("request of bert cannot be read"):
        forged(at_answers, request=b"nothing")()


def test_answer_without_the_token_is_refused(at_answers):
    with refused("without the invitation's token"):
        forged(at_answers, token="00" * 16)()


def test_answer_for_another_role_or_an_unknown_name_is_refused(at_answers):
    with refused("to another invitation"):
        forged(at_answers, role="analyst")()
    with refused("no invitation was written for zoe"):
        forged(at_answers, name="zoe")()


def test_two_members_with_one_key_or_one_address_are_refused(at_answers):
    at_answers.admit("bert")
    bert = Answer.from_bytes(at_answers.answer("bert"))
    founding.invite(at_answers.folder("anna"), "carl", "site", now=NOW)
    at_answers.roles["carl"] = "site"
    at_answers.join("carl", address=bert.address)
    with refused("carl answers with the address of bert"):
        at_answers.admit("carl")


def test_two_sites_of_one_name_are_refused(tmp_path, at_answers):
    world = World(root=tmp_path / "new")
    world.root.mkdir()
    with pytest.raises(ConfigError, match="anna is the founder's own site"):
        world.found({"anna": "site", "bert": "site", "ada": "analyst"})
    assert not world.folder("anna").exists()
    with refused("anna is the founder and needs no invitation"):
        founding.invite(at_answers.folder("anna"), "anna", "site", now=NOW)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"invited": {"bert": "site"}}, "at least one analyst"),
        ({"invited": {"ada": "analyst"}}, "invite at least one more"),
        ({"invited": {"bert": "site", "ada": "queen"}}, "role 'queen' is none"),
        (
            {"invited": {"bert": "site", "ada": "analyst", "d": "dealer", "e": "dealer"}},
            "has one dealer, not 2",
        ),
        ({"invited": {f"s{i}": "site" for i in range(9)} | {"ada": "analyst"}}, "at most 8 sites"),
        ({"invited": {"../x": "site", "ada": "analyst"}}, "must start with a letter"),
        ({"name": "Heart!"}, "consortium name"),
        ({"address": "nowhere"}, "HOST:PORT"),
        ({"table": "my table"}, "table name"),
    ],
)
def test_wrong_founding_leaves_no_file(tmp_path, changes, match):
    world = World(root=tmp_path)
    with pytest.raises(ConfigError, match=match):
        world.found(**changes)
    assert [path.name for path in tmp_path.iterdir()] == ["anna.csv"]


def test_wrong_joining_leaves_no_file(at_answers):
    for changes, match in (({"address": ""}, "HOST:PORT"), ({"data": None}, "brings a file")):
        with pytest.raises(ConfigError, match=match):
            at_answers.join("bert", folder="new", **changes)
    for changes, match in (
        ({"address": "a:1"}, "runs no node"),
        ({"data": at_answers.data("bert")}, "no data"),
    ):
        with pytest.raises(ConfigError, match=match):
            at_answers.join("ada", folder="new", **changes)
    assert not at_answers.folder("new").exists()


@pytest.mark.parametrize("off", [-DAY_S, DAY_S])
def test_clock_off_by_a_day_is_named_with_its_member(at_answers, off):
    world = at_answers
    if off < 0:
        with refused(r"invitation of bert is dated 86400 s \(1.0 days\) ahead"):
            world.join("bert", folder="slow", now=NOW + off)
    else:
        world.join("bert", folder="fast", now=NOW + off)
        answer = (world.folder("fast") / "exchange" / "bert.answer.json").read_bytes()
        with refused(r"answer of bert is dated 86400 s \(1.0 days\) ahead"):
            founding.admit(world.folder("anna"), [answer], words={}, now=NOW)
    slow = forged(world, made=NOW - DAY_S)
    with refused("the answer of bert"):
        slow()


def test_words_that_differ_are_refused(at_answers):
    right = at_answers.words("bert")
    for wrong, match in (
        (" ".join(reversed(right.split())), "words for bert differ"),
        (at_answers.words("ada"), "words for bert differ"),
        ("", "are 8, not 0"),
        (right + " acid", "are 8, not 9"),
    ):
        with refused(match):
            at_answers.admit("bert", words={"bert": wrong})
    assert not (at_answers.folder("anna") / "members" / "bert.json").exists()
    loud = ", ".join(right.upper().split())
    assert "bert" in at_answers.admit("bert", words={"bert": loud}).members


def test_words_that_differ_are_refused_at_the_site(at_draft):
    with refused("words for bert differ"):
        at_draft.sign("bert", words=at_draft.words("ada"))
    assert not (at_draft.folder("bert") / "exchange" / "bert.signature.json").exists()


def test_a_person_between_two_machines_changes_the_words_at_both(tmp_path):
    """Whoever exchanges invitation and answer holds the token, and still cannot make the words equal."""
    true, false = World(root=tmp_path / "true"), World(root=tmp_path / "false")
    for world in (true, false):
        world.root.mkdir()
        world.found()
    joined = true.join("bert", invitation=false.invitation("bert"))
    with refused("another consortium"):
        true.admit("bert", words={"bert": " ".join(joined.words)})
    false.roles, true.roles = dict(true.roles), dict(true.roles)
    true.join("bert", folder="spy")
    spied = (true.folder("spy") / "exchange" / "bert.answer.json").read_bytes()
    with refused("words for bert differ"):
        founding.admit(true.folder("anna"), [spied], words={"bert": " ".join(joined.words)}, now=NOW)


def test_draft_and_agreement_that_differ_in_one_byte_are_refused(at_draft):
    draft = at_draft.draft()
    at_draft.sign("anna")
    at_draft.sign("bert")
    changed = draft.replace(b'epsilon = \\"4\\"', b'epsilon = \\"5\\"')
    assert len(changed) == len(draft)
    assert changed != draft
    at_draft.sign("bert", draft=changed)
    with refused("bert signed another draft"):
        at_draft.begin("anna", at_draft.signature("bert"))
    at_draft.sign("bert")
    at_draft.begin("anna", at_draft.signature("bert"))
    agreement = at_draft.agreement()
    with refused(r"another file than the one that bert signed: line \d+ of its text is 'epsilon = \"5\"'"):
        at_draft.begin("bert", agreement.replace(b'epsilon = \\"4\\"', b'epsilon = \\"5\\"'))
    for place in range(40, len(agreement) - 2, len(agreement) // 12):
        flipped = bytearray(agreement)
        flipped[place] ^= 1
        with pytest.raises((FoundingRefusedError, ConfigError)):
            at_draft.begin("bert", bytes(flipped))
    assert not (at_draft.folder("bert") / "consortium.toml").exists()
    assert not at_draft.begin("bert", agreement).was_there
    assert at_draft.begin("bert", agreement).was_there


@pytest.mark.parametrize("kind", ["draft", "agreement", "answer"])
def test_file_that_says_the_same_in_other_bytes_is_refused(begun, kind):
    data = begun.answer("bert") if kind == "answer" else getattr(begun, kind)()
    reader = {"draft": Draft, "agreement": Agreement, "answer": Answer}[kind]
    assert reader.from_bytes(data) == reader.from_bytes(data.removesuffix(b"\n"))
    field = {"draft": b'"authority":"', "agreement": b'"authority":"', "answer": b'"request":"'}[kind]
    place = data.index(field) + len(field)
    capital = data[:place] + data[place : place + 200].upper() + data[place + 200 :]
    for other in (capital, data.replace(b",", b", ", 1), data + b"\n", data[:place] + b" " + data[place:]):
        assert other != data
        with refused(f"not a valid {kind}"):
            reader.from_bytes(other)


def test_damaged_certificate_or_request_is_refused_by_name(begun):
    draft = Draft.from_bytes(begun.draft())
    der = draft.certificates["bert"]
    request = Answer.from_bytes(begun.answer("bert")).request
    for place in range(0, len(der), 40):
        bad = der[:place] + bytes([der[place] ^ 4]) + der[place + 1 :]
        with pytest.raises((FoundingRefusedError, ConfigError), match="certificate of bert"):
            replace(draft, certificates={**draft.certificates, "bert": bad}).check()
    refusals = []
    for place in range(len(request)):
        bad = request[:place] + bytes([request[place] ^ 4]) + request[place + 1 :]
        try:  # one byte only counts unused bits, which may be any number of the zeros at the end
            key = requested_key(bad, "bert")
        except FoundingRefusedError as error:
            refusals.append(str(error))
        else:
            assert key == requested_key(request, "bert")
    assert len(refusals) >= len(request) - 1
    assert all("request" in text and "bert" in text for text in refusals)


def test_no_site_begins_until_all_have_signed(at_draft):
    at_draft.sign("anna")
    with refused("not yet signed by bert"):
        at_draft.begin("anna")
    with refused("bert has signed no draft"):
        at_draft.begin("bert", at_draft.signature("anna"))
    at_draft.sign("bert")
    with refused("not yet signed by anna"):
        at_draft.begin("bert")
    with refused("only sites sign"):
        signing.review(at_draft.folder("ada"), at_draft.draft())
    assert at_draft.begin("anna", at_draft.signature("bert")).start is not None


def test_what_has_begun_is_not_founded_over(at_draft):
    at_draft.sign("anna")
    at_draft.sign("bert")
    at_draft.begin("anna", at_draft.signature("bert"))
    with pytest.raises(ConfigError, match="nothing there is overwritten"):
        at_draft.found()


def test_draft_says_where_it_differs_from_this_sites_data(at_draft):
    rows(at_draft.data("bert"), first=190, levels=("F", "M", "X"), factor=20)
    said = "\n".join(signing.review(at_draft.folder("bert"), at_draft.draft()).differences)
    assert "age: 38 of 61 values lie outside the draft's bounds 0 to 200" in said
    assert "sex: 20 of 61 values are none of the draft's levels" in said
    assert "sex: this site has the levels X, which the draft lacks" in said
    assert "chol: values here are much larger than the draft's bounds: is it another unit?" in said
    with refused("differs from this site's data in"):
        at_draft.sign("bert")
    assert at_draft.sign("bert", accepts_differences=True).exists()
    for path in at_draft.exchanged():
        assert "outside" not in path.read_text()


def test_draft_names_levels_through_a_view_written_by_hand_too(at_draft):
    rows(at_draft.data("bert"), levels=("f", "m", "x"))
    site = at_draft.folder("bert") / "site.toml"
    view = "SELECT as_number(age) AS age, upper(sex) AS sex, as_number(chol) AS chol FROM source"
    before = site.read_text()
    site.write_text(before.partition("view = ")[0] + f"view = {view!r}\n" + before.partition('\n"""')[2])
    said = "\n".join(signing.review(at_draft.folder("bert"), at_draft.draft()).differences)
    assert "sex: this site has the levels X, which the draft lacks" in said


def test_draft_of_another_founder_key_or_address_is_refused(at_draft, tmp_path):
    other = World(root=tmp_path / "other")
    other.root.mkdir()
    other.to_draft()
    with refused("this draft is of another consortium"):
        at_draft.sign("bert", draft=other.draft())
    moved = at_draft.draft().replace(b"127.0.0.1:17103", b"127.0.0.1:17999")
    with refused("the draft gives bert the address 127.0.0.1:17999"):
        at_draft.sign("bert", draft=moved)


def test_joining_again_changes_nothing(at_answers):
    before = {path: path.read_bytes() for path in at_answers.folder("bert").rglob("*") if path.is_file()}
    again = at_answers.join("bert", now=NOW + 100 * DAY_S)
    assert again.was_there
    assert " ".join(again.words) == at_answers.words("bert")
    assert before == {
        path: path.read_bytes() for path in at_answers.folder("bert").rglob("*") if path.is_file()
    }
    with refused("has answered with the address"):
        at_answers.join("bert", address="127.0.0.1:5")


def test_a_lost_member_joins_anew_before_the_beginning(at_answers):
    at_answers.admit("bert")
    with refused("bert is admitted already"):
        founding.invite(at_answers.folder("anna"), "bert", "site", now=NOW)
    founding.invite(at_answers.folder("anna"), "bert", "site", replace=True, now=NOW)
    with refused("to another invitation"):
        at_answers.admit("bert")
    at_answers.join("bert", folder="anew")
    answer = (at_answers.folder("anew") / "exchange" / "bert.answer.json").read_bytes()
    words = " ".join(
        Invitation.from_bytes(at_answers.invitation("bert")).words(Answer.from_bytes(answer).public_key)
    )
    assert (
        "bert" in founding.admit(at_answers.folder("anna"), [answer], words={"bert": words}, now=NOW).members
    )


def test_comparison_words_are_256_that_the_ear_tells_apart():
    assert len(WORDS) == len(set(WORDS)) == len({word[:3] for word in WORDS}) == 256
    assert all(word.isascii() and word.isalpha() and word.islower() and 3 <= len(word) <= 8 for word in WORDS)


def test_comparison_words_depend_on_every_bit_of_both_sides():
    base = comparison_words(invitation="00" * 32, public_key="00" * 32)
    assert base == comparison_words(invitation="00" * 32, public_key="00" * 32)
    others = {comparison_words(invitation="01" + "00" * 31, public_key="00" * 32)}
    others.add(comparison_words(invitation="00" * 32, public_key="00" * 31 + "01"))
    assert base not in others
    assert len(others) == 2
    check_words(" - ".join(base), base, name="x")


names = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(
    name=names,
    consortium=names,
    founder=hexes,
    token=st.binary(min_size=16, max_size=16).map(bytes.hex),
    issued=st.integers(0, 2**40),
    place=st.integers(0, 10**6),
    bit=st.integers(0, 7),
)
def test_law_an_invitation_reads_as_written_and_a_changed_one_has_other_words(
    name, consortium, founder, token, issued, place, bit
):
    invitation = Invitation(
        consortium=consortium,
        founder=founder,
        name=name,
        role="site",
        table="patients",
        token=token,
        issued=issued,
        expires=issued + DAY_S,
    )
    data = invitation.to_bytes()
    assert Invitation.from_bytes(data) == invitation
    assert token not in repr(invitation)
    changed = bytearray(data.removesuffix(b"\n"))
    changed[place % len(changed)] ^= 1 << bit
    try:
        other = Invitation.from_bytes(bytes(changed))
    except FoundingRefusedError:
        return
    assert other.digest != invitation.digest


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (
            lambda text: text.replace("minimum_cell = 10", "minimum_cell = 10\t"),
            "a tab or another control character",
        ),
        (lambda text: text.replace('relation = "add_or_remove_one"', 'relation = "near"'), "draft: relation"),
        (lambda text: text + "\n[sites.evil]\naddress = 'x:1'\n", "draft"),
        (
            lambda text: text.replace('authority = "authority.pem"', 'authority = "/etc/passwd"'),
            "authority must be",
        ),
        (lambda text: text.replace('name = "heart"', 'name = "heart'), "draft is not TOML"),
        (lambda text: text.replace('sequencer = "anna"', 'sequencer = "zoe"'), "zoe is not one of the sites"),
    ],
)
def test_wrong_terms_make_no_draft(at_answers, edit, match):
    terms = at_answers.folder("anna") / "terms.toml"
    right = terms.read_text()
    assert edit(right) != right
    terms.write_text(edit(right))
    with pytest.raises((FoundingRefusedError, ConfigError), match=match):
        at_answers.admit("bert", "ada")
    assert not (at_answers.folder("anna") / "draft.json").exists()
    terms.write_text(right)
    assert at_answers.admit().draft is not None  # both stay admitted: no words are asked again
