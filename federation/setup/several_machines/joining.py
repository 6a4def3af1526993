"""Joining a new consortium on the member's own machine: keys, the answer to an invitation, the member's own file.

Layer:       federation.setup.several_machines.joining, above create and infer_schema.
Guarantees:  the keys are made here and no function returns them; the answer holds the public ones. A folder appears with
             all its files or not at all; joining again with the same invitation changes nothing.
Visible to:  the founder reads the answer: a name, an address, public keys, a date. Of a site's data it holds nothing.
See instead: the founder's side (``founding``), signing and beginning (``signing``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.sources.spec import DEFAULT_VIEW
from federation.consortium.admission.invitations import NODE_ROLES, Answer, Invitation, date
from federation.consortium.file_format.file_types import address_mistake
from federation.consortium.helper_file import TEXT
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.certificates import write_private
from federation.identity.signing_request import load_key, new_key, signing_request
from federation.paillier.key_files import PRIVATE_KEY_FILE, create_private_key_file
from federation.setup.create import site_text
from federation.setup.infer_schema import POLICY, guess_table
from federation.setup.settings import SiteSetup, TableSetup
from federation.setup.several_machines.whole_files import PRIVATE, new_folder, put
from federation.setup.site_rows import SiteRows, site_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CONSORTIUM: Final = "consortium.toml"
SITE_FILE: Final = "site.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFolder:
    """Paths of one member's files on its own machine.

    Attributes:
        root: the member's folder.
    """

    root: Path

    @property
    def consortium(self) -> Path:
        """The agreement; it is there once the consortium has begun."""
        return self.root / CONSORTIUM

    @property
    def invitation(self) -> Path:
        """The invitation that was answered."""
        return self.root / "exchange" / "invitation.json"

    @property
    def draft(self) -> Path:
        """The draft that this site has signed."""
        return self.root / "exchange" / "draft.json"

    @property
    def agreement(self) -> Path:
        """The draft and the signatures of all sites."""
        return self.root / "exchange" / "agreement.json"

    def answer(self, name: str) -> Path:
        """The answer, for the founder."""
        return self.root / "exchange" / f"{name}.answer.json"

    def signature(self, name: str) -> Path:
        """A site's signature under the draft."""
        return self.root / "exchange" / f"{name}.signature.json"

    def key(self, name: str) -> Path:
        """The member's key until it has a certificate."""
        return self.root / f"{name}.key"

    def identity(self, name: str, role: str) -> Path:
        """The member's certificate and key; those of analysts and auditors lie where the commands look for them."""
        return self.root / f"{name}.pem" if role in NODE_ROLES else self.root / "analysts" / f"{name}.pem"

    def check_not_begun(self) -> None:
        """Check that the consortium of this folder has not begun.

        Raises:
            FoundingRefusedError: it has.
        """
        if self.consortium.exists():
            raise FoundingRefusedError(
                reason=f"the consortium of {self.root} has begun: a further site sends its answer by other means "
                "than crossward collect, and crossward admit takes it"
            )

    def load_invitation(self) -> Invitation:
        """Read the invitation that this folder answers.

        Raises:
            FoundingRefusedError: the folder is not a member's.
        """
        try:
            return Invitation.from_bytes(self.invitation.read_bytes())
        except OSError as error:
            raise FoundingRefusedError(
                reason=f"{self.root} has joined no consortium; begin with crossward join"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a member sends and says.

    Attributes:
        answer: the file for the founder.
        words: the eight words that its administrator reads out to the founder's.
        was_there: whether this folder had joined before.
    """

    answer: Path
    words: tuple[str, ...]
    was_there: bool


def join(
    invitation: bytes,
    folder: Path,
    *,
    address: str = "",
    data: Path | str | None = None,
    engine: str = "crypten",
    settings: Mapping[str, Any] | None = None,
    view: str = DEFAULT_VIEW,
    now: int | None = None,
) -> Joined:
    """Answer an invitation on the member's own machine.

    Args:
        invitation: the file's bytes.
        folder: a new folder for the member.
        address: HOST:PORT where the others reach this node; empty for analysts and auditors.
        data: for a site, its file, of any kind that sources have (``FILE#TABLE`` in a database).
        engine: for a site, what computes on shares: crypten or numpy.
        settings: for a site, keys of the site file that say how its data file is written.
        view: for a site, one SELECT over ``source``; the guess of columns starts from its rows.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The answer's file and the words to compare.

    Raises:
        FoundingRefusedError: not an invitation, expired, dated in the future, or the folder answers another one.
        ConfigError: address or data are missing or wrong.
    """
    given = Invitation.from_bytes(invitation)
    member = MemberFolder(root=folder)
    if member.invitation.exists():
        return _joined_before(member, given, address)
    at = int(time.time()) if now is None else now
    given.check_time(at)
    rows = _checked(given, address, data, settings or {}, view)
    table = None if rows is None else _viewed(rows, given.table)
    with new_folder(folder.resolve()) as partial:
        write_member(partial, given, address=address, table=table, engine=engine, made=at)
    return _joined(member, given, was_there=False)


def write_member(
    folder: Path, invitation: Invitation, *, address: str, table: TableSetup | None, engine: str, made: int
) -> Answer:
    """Make a member's keys and files.

    Args:
        folder: where.
        invitation: what is answered.
        address: HOST:PORT, or empty.
        table: a site's file, and the view over it.
        engine: a site's engine.
        made: seconds since 1970.

    Returns:
        The answer.
    """
    member, name = MemberFolder(root=folder), invitation.name
    write_private(member.key(name), new_key())
    key = load_key(member.key(name))
    modulus = ""
    if invitation.role == "keyholder":
        modulus = f"{create_private_key_file(folder / PRIVATE_KEY_FILE).n:x}"
    if table is not None:
        setup = SiteSetup(tables={invitation.table: table}, policy=POLICY, engine=engine)
        put(folder / SITE_FILE, site_text(name, setup).encode())
    elif invitation.role in NODE_ROLES:
        text = TEXT.format(name=name, identity=f"{name}.pem", consortium=CONSORTIUM)
        put(folder / f"{invitation.role}.toml", text.encode())
    answer = Answer.write(
        invitation,
        key,
        request=signing_request(key, name),
        address=address,
        made=made,
        paillier_modulus=modulus,
    )
    put(member.answer(name), answer.to_bytes())
    put(member.invitation, invitation.to_bytes(), mode=PRIVATE)
    return answer


def member_key(member: MemberFolder, invitation: Invitation) -> Ed25519PrivateKey:
    """Load this member's key, before or after it has its certificate.

    Raises:
        ConfigError: the file is missing, readable by others, or holds no key.
    """
    bare = member.key(invitation.name)
    return load_key(bare if bare.exists() else member.identity(invitation.name, invitation.role))


def address_faults(name: str, role: str, address: str) -> list[str]:
    """Return what is wrong with a member's address."""
    if role not in NODE_ROLES:
        return [f"--address: {role} {name} runs no node, so it has no address"] if address else []
    mistake = address_mistake(address)
    return [f"--address {address!r} {mistake}: where the other members reach {name}"] if mistake else []


def _checked(
    invitation: Invitation, address: str, data: Path | str | None, settings: Mapping[str, Any], view: str
) -> SiteRows | None:
    name, is_site = invitation.name, invitation.role == "site"
    mistakes = address_faults(name, invitation.role, address)
    if is_site and data is None:
        mistakes.append(f"--data: a site brings a file with its rows of {invitation.table}")
    if not is_site and (data is not None or settings or view != DEFAULT_VIEW):
        mistakes.append(f"--data: {invitation.role} {name} brings no data")
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return None if data is None else site_rows(name, data, settings=settings, view=view)


def _viewed(rows: SiteRows, table: str) -> TableSetup:
    try:
        plain = rows.with_missing_words()
        return plain.setup(guess_table(plain, table).view(rows.view))
    except ConfigError:
        if rows.view != DEFAULT_VIEW:
            raise
        return rows.setup(
            DEFAULT_VIEW
        )  # a view is written by hand later; signing checks it against the draft


def _joined_before(member: MemberFolder, given: Invitation, address: str) -> Joined:
    known = member.load_invitation()
    if known != given:
        raise FoundingRefusedError(
            reason=f"{member.root} answers the invitation of {known.name} to {known.consortium} that expires on "
            f"{date(known.expires)}, not this one of {given.name} to {given.consortium}: use another folder"
        )
    answer = Answer.from_bytes(member.answer(given.name).read_bytes())
    if address and address != answer.address:
        raise FoundingRefusedError(
            reason=f"{member.root} has answered with the address {answer.address}; to answer with another one, "
            "remove the folder before the founder admits it, and join again"
        )
    return _joined(member, given, was_there=True)


def _joined(member: MemberFolder, invitation: Invitation, *, was_there: bool) -> Joined:
    path = member.answer(invitation.name)
    answer = Answer.from_bytes(path.read_bytes())
    return Joined(answer=path, words=invitation.words(answer.public_key), was_there=was_there)
