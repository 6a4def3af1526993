"""Entering a consortium that runs, on the new site's own machine: reading the admission, and approving the own entry.

Layer:       federation.setup.several_machines.entering, above signing and admitting.
Guarantees:  a site takes only an admission of the founder that it answered, with its own name, key and address, after a
             person has given the words that the founder compared. The consortium file comes last, so that no node starts
             before everything else is there; the step can be run again. It signs nothing: that does the node, once its
             ledger holds all earlier entries and its administrator has approved its entry.
See instead: a site that signs the founding (``signing``), the founder's side (``admitting``).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from federation.consortium.admission.admissions import ADMISSION_FILE, Admission
from federation.consortium.admission.approvals import AUTHORITY, Agreement
from federation.consortium.admission.comparison_words import check_words
from federation.consortium.admission.invitations import Answer
from federation.consortium.members_file import MEMBERS_FILE, load_members
from federation.consortium.membership import restrict_to_members
from federation.consortium.new_site import check_place, consequences
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.certificates import Identity
from federation.node.ledger.present_members import changes_of
from federation.setup.several_machines.draft_review import differences, in_words
from federation.setup.several_machines.joining import SITE_FILE, MemberFolder, member_key
from federation.setup.several_machines.signing import Review, check_differences, write_identity
from federation.setup.several_machines.whole_files import put
from privacy_accounting.ledger.changes.members_change import MembersChange

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.admission.admissions import Admitted
    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.state import ChainState


def review_admission(folder: Path, data: bytes, *, now: datetime | None = None) -> Review:
    """Read an admission at the site that it admits.

    Args:
        folder: the site's.
        data: the file's bytes.
        now: the present, unless another time is meant.

    Returns:
        What the agreement says with this site in it, and in what it differs from the site's data.

    Raises:
        FoundingRefusedError: of another founder, or for another name, key or address; or a signature is missing.
        ConfigError: a file holds mistakes.
    """
    admitted = _checked(folder, data, now)
    members = admitted.members
    joint = restrict_to_members(admitted.joined, {*members.names, admitted.name}, sequencer=members.sequencer)
    lines = in_words(joint)
    if not admitted.replaces:
        before = restrict_to_members(admitted.consortium, members.names, sequencer=members.sequencer)
        lines += consequences(before)
    return Review(
        digest=_digest(data),
        lines=lines,
        changes=(),
        differences=differences(folder / SITE_FILE, joint),
        remarks=(),
        guesses=(),
    )


def enter(
    folder: Path, data: bytes, reviewed: Review, *, words: str = "", accepts_differences: bool = False
) -> Path:
    """Take an admission that was reviewed: write the agreement and this site's certificate.

    Args:
        folder: the site's.
        data: the admission's bytes.
        reviewed: of exactly these bytes.
        words: the eight words as the founder's administrator reads them out.
        accepts_differences: go on although the agreement differs from this site's data.

    Returns:
        The file that starts this site's node.

    Raises:
        FoundingRefusedError: another file was reviewed, the words differ, or a difference is not accepted.
        ConfigError: a file cannot be written.
    """
    member = MemberFolder(root=folder)
    invitation, admission = member.load_invitation(), Admission.from_bytes(data)
    if reviewed.digest != _digest(data):
        raise FoundingRefusedError(reason="another admission was reviewed than this one")
    check_differences(reviewed, accepts_differences=accepts_differences)
    _checked(folder, data, None)
    public = member_key(member, invitation).public_key().public_bytes_raw().hex()
    check_words(words, invitation.words(public), name=invitation.name)
    draft = Agreement.from_bytes(admission.agreement).draft
    put(member.agreement, admission.agreement)
    put(folder / AUTHORITY, draft.authority_pem)
    if len(admission.members) > len(load_members(folder / MEMBERS_FILE)):
        put(folder / MEMBERS_FILE, admission.members)
    write_identity(member, invitation, admission.certificate_pem)
    put(folder / ADMISSION_FILE, data)
    if not member.consortium.exists():
        put(member.consortium, draft.text.encode())
    return folder / SITE_FILE


def check_new_site(config: SiteConfig, amendment: Amendment, state: ChainState) -> list[str]:
    """Check an amendment that adds or replaces a site against this site's files, before it is approved here.

    Args:
        config: this site's configuration.
        amendment: it fits this site's ledger.
        state: the ledger.

    Returns:
        What follows from one site more, in words.

    Raises:
        AmendmentRejectedError: the site has the name or the address of another member.
        ConfigError: it is this site's own entry, and gives another key, certificate or address than it has.
    """
    change, place = amendment.content, amendment.site
    if place is None or not isinstance(change, MembersChange):
        return []
    consortium = config.among(changes_of(state))
    check_place(consortium, change.name, place)
    if change.name == config.file.site:
        own = Identity.load(config.identity)
        if config.own_place != place or (own.public_hex, own.fingerprint) != (change.key, change.fingerprint):
            raise ConfigError(
                mistakes=[
                    f"{change.name} has another key, certificate or address than this amendment gives it"
                ]
            )
    if change.change != "add":
        return []
    members = state.members()
    return consequences(restrict_to_members(consortium, members.names, sequencer=members.sequencer))


def _checked(folder: Path, data: bytes, now: datetime | None) -> Admitted:
    """Check that an admission is the founder's and is for this member as it answered."""
    member = MemberFolder(root=folder)
    invitation, admission = member.load_invitation(), Admission.from_bytes(data)
    if invitation.role != "site":
        raise FoundingRefusedError(reason=f"{invitation.role} {invitation.name} is no site")
    admitted = admission.check(now or datetime.now(UTC))
    draft = Agreement.from_bytes(admission.agreement).draft
    if (draft.founder, admitted.consortium.file.name) != (invitation.founder, invitation.consortium):
        raise FoundingRefusedError(
            reason=f"this admission is of another consortium: its authority is {draft.founder[:16]}, the invitation of "
            f"{invitation.name} names {invitation.founder[:16]}"
        )
    answer = Answer.from_bytes(member.answer(invitation.name).read_bytes())
    place = admitted.member
    if (admitted.name, place.public_key, place.address) != (answer.name, answer.public_key, answer.address):
        raise FoundingRefusedError(
            reason=f"this admission is not for {answer.name} at {answer.address} with the key that was made here"
        )
    if member.consortium.exists() and member.consortium.read_text("utf-8") != draft.text:
        raise FoundingRefusedError(reason=f"{folder} has begun with another agreement: use another folder")
    return admitted


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
