"""Signing a draft at a site, and beginning once all sites have signed.

Layer:       federation.setup.several_machines.signing, above founding and draft_review.
Guarantees:  a site signs only a draft of the founder that it answered, with its own name, key and address, without
             guesses, and after a person has given the words that the founder compared. A member begins only with an
             agreement that every site has signed and, at a site, with exactly the bytes that it signed. The agreement's
             file comes last, so that no node starts before everything else is there; both steps can be run again.
See instead: the ledger's first entry, which the nodes sign (``federation.consortium.genesis``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.consortium.admission.approvals import AUTHORITY, Agreement, Draft, Signature
from federation.consortium.admission.comparison_words import check_words
from federation.consortium.admission.invitations import Answer
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.certificates import Identity, remove_partial, write_private
from federation.setup.several_machines.correcting import (
    become_quiet,
    check_open,
    difference,
    in_place_of,
    is_correction,
)
from federation.setup.several_machines.draft_review import differences, guesses, in_words
from federation.setup.several_machines.founding import founder_of
from federation.setup.several_machines.joining import SITE_FILE, MemberFolder, member_key
from federation.setup.several_machines.whole_files import put

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from federation.consortium.admission.invitations import Invitation
    from federation.consortium.consortium_file import Consortium


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A draft in words, for one site.

    Attributes:
        digest: of the draft, hex; administrators may compare it.
        lines: what it says, the same at every site.
        changes: from the agreement in force; none before the beginning.
        differences: from this site's own data; for its administrator alone.
        remarks: certificates that end soon.
        guesses: what no person has confirmed; while there is any, no site signs.
    """

    digest: str
    lines: Sequence[str]
    changes: Sequence[str]
    differences: Sequence[str]
    remarks: Sequence[str]
    guesses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A member's consortium after all have signed.

    Attributes:
        agreement: the file for the members that have not begun.
        digest: of the draft, hex; administrators may compare it.
        start: the file that starts this member's node; None where it runs none.
        role: this member's role.
        was_there: whether it had begun before.
        changes: from the agreement that this one replaces here; none where it replaces none.
    """

    agreement: Path
    digest: str
    start: Path | None
    role: str
    was_there: bool
    changes: Sequence[str]


def review(folder: Path, draft: bytes, *, now: datetime | None = None) -> Review:
    """Read a draft at a site.

    Args:
        folder: the site's.
        draft: the file's bytes.
        now: the present, unless another time is meant.

    Returns:
        What it says and in what it differs from the site's data.

    Raises:
        FoundingRefusedError: of another founder, for another key or address, not a site's folder, or bound to another
            agreement by a charge.
        ConfigError: the draft or the site file holds mistakes.
    """
    member = MemberFolder(root=folder)
    invitation, wanted = member.load_invitation(), Draft.from_bytes(draft)
    if invitation.role != "site":
        raise FoundingRefusedError(
            reason=f"only sites sign; {invitation.role} {invitation.name} begins with the agreement"
        )
    if is_correction(member, wanted):
        check_open(folder)
    consortium, remarks = _check_own(member, invitation, wanted, now)
    return Review(
        digest=wanted.digest,
        lines=in_words(consortium),
        changes=difference(folder, wanted),
        differences=differences(folder / SITE_FILE, consortium),
        remarks=remarks,
        guesses=guesses(consortium),
    )


def sign(
    folder: Path, draft: bytes, reviewed: Review, *, words: str = "", accepts_differences: bool = False
) -> Path:
    """Sign a draft that was reviewed.

    Args:
        folder: the site's.
        draft: the file's bytes.
        reviewed: of exactly these bytes.
        words: the eight words as the founder's administrator reads them out; the founder itself needs none.
        accepts_differences: sign although the draft differs from this site's data.

    Returns:
        The signature's file, for the founder.

    Raises:
        FoundingRefusedError: another file was reviewed, words differ, something is guessed, or a difference is not
            accepted.
    """
    member = MemberFolder(root=folder)
    invitation, wanted = member.load_invitation(), Draft.from_bytes(draft)
    if reviewed.digest != wanted.digest:
        raise FoundingRefusedError(reason="another draft was reviewed than this one")
    if reviewed.guesses:
        raise FoundingRefusedError(
            reason=f"no site signs what is guessed ({'; '.join(reviewed.guesses)}): the founder corrects terms.toml, "
            "removes the marks and runs crossward admit again"
        )
    check_differences(reviewed, accepts_differences=accepts_differences)
    key = member_key(member, invitation)
    _check_words(folder, invitation, key, words)
    if is_correction(member, wanted):
        become_quiet(folder, wanted)
    put(member.draft, wanted.to_bytes())
    put(member.signature(invitation.name), Signature.write(wanted, invitation.name, key).to_bytes())
    return member.signature(invitation.name)


def check_differences(reviewed: Review, *, accepts_differences: bool) -> None:
    """Check that what differs from this site's data is accepted.

    Raises:
        FoundingRefusedError: it is not.
    """
    if reviewed.differences and not accepts_differences:
        raise FoundingRefusedError(
            reason=f"the draft differs from this site's data in {len(reviewed.differences)} points: have it corrected, "
            "correct the view in site.toml, or sign with --accept-differences"
        )


def needs_words(folder: Path, *, to_begin: Sequence[bytes] | None = None) -> bool:
    """Whether this member must give the words: a site to sign, any other member to begin, the founder never.

    Args:
        folder: the member's.
        to_begin: the files to begin with; None asks about signing.
    """
    member = MemberFolder(root=folder)
    invitation = member.load_invitation()
    if to_begin is not None and (invitation.role == "site" or not _is_news(member, to_begin)):
        return False
    return founder_of(folder) != invitation.founder


def begin(folder: Path, files: Sequence[bytes], *, words: str = "", now: datetime | None = None) -> Begun:
    """Begin with the signatures of all sites.

    Args:
        folder: the member's.
        files: signatures of other sites, or one agreement that holds all.
        words: for a member that signs nothing, the eight words as the founder reads them out.
        now: the present, unless another time is meant.

    Returns:
        The agreement and the file that starts the node.

    Raises:
        FoundingRefusedError: a signature is missing or does not fit, another draft was signed here, or a charge binds
            this site to the agreement in force.
        ConfigError: the draft holds mistakes, such as a certificate that has ended.
    """
    member = MemberFolder(root=folder)
    invitation = member.load_invitation()
    agreement = _collected(member, invitation, files)
    agreement.check(now)
    _check_own(member, invitation, agreement.draft, now)
    was_there = member.consortium.exists()
    said = difference(folder, agreement.draft)
    if needs_words(folder, to_begin=files):
        _check_words(folder, invitation, member_key(member, invitation), words)
    with in_place_of(folder, agreement.draft):
        put(member.agreement, agreement.to_bytes())
        put(folder / AUTHORITY, agreement.draft.authority_pem)
        write_identity(member, invitation, agreement.draft.certificate_pem(invitation.name))
        if not was_there or is_correction(member, agreement.draft):
            put(member.consortium, agreement.draft.text.encode())
    return Begun(
        agreement=member.agreement,
        digest=agreement.draft.digest,
        start=_start_file(folder, invitation),
        role=invitation.role,
        was_there=was_there and not said,
        changes=said,
    )


def _check_own(
    member: MemberFolder, invitation: Invitation, draft: Draft, now: datetime | None
) -> tuple[Consortium, list[str]]:
    """Check that a draft is the founder's and pins this member as it answered."""
    if draft.founder != invitation.founder:
        raise FoundingRefusedError(
            reason=f"this draft is of another consortium: its authority is {draft.founder[:16]}, the invitation of "
            f"{invitation.name} names {invitation.founder[:16]}"
        )
    consortium, remarks = draft.check(now)
    answer = Answer.from_bytes(member.answer(invitation.name).read_bytes())
    file = consortium.file
    if file.name != invitation.consortium:
        raise FoundingRefusedError(
            reason=f"the draft is of the consortium {file.name}, not {invitation.consortium}"
        )
    role = invitation.role
    if role in {"site", "analyst", "auditor"}:
        pinned = getattr(file, f"{role}s").get(invitation.name)
    else:
        helper = getattr(file, role)
        pinned = helper if helper is not None and helper.name == invitation.name else None
    if pinned is None or pinned.public_key != answer.public_key:
        raise FoundingRefusedError(
            reason=f"the draft does not pin the key of {role} {invitation.name} that was made here"
        )
    if getattr(pinned, "address", "") != answer.address:
        raise FoundingRefusedError(
            reason=f"the draft gives {invitation.name} the address {pinned.address}, not {answer.address}"
        )
    if getattr(pinned, "paillier_modulus", "") != answer.paillier_modulus:
        raise FoundingRefusedError(
            reason=f"the draft gives {invitation.name} another Paillier key than its own"
        )
    return consortium, remarks


def _check_words(folder: Path, invitation: Invitation, key: Ed25519PrivateKey, words: str) -> None:
    if founder_of(folder) == invitation.founder:
        return
    public = key.public_key().public_bytes_raw().hex()
    check_words(words, invitation.words(public), name=invitation.name)


def _collected(member: MemberFolder, invitation: Invitation, files: Sequence[bytes]) -> Agreement:
    """Add the given signatures to those kept before."""
    agreements = [Agreement.from_bytes(data) for data in files if _is_agreement(data)]
    given = [Signature.from_bytes(data) for data in files if not _is_agreement(data)]
    if not agreements and not member.draft.exists():
        raise FoundingRefusedError(
            reason=f"{invitation.name} has signed no draft; sign first, or give the agreement"
        )
    draft = Draft.from_bytes(member.draft.read_bytes()) if member.draft.exists() else agreements[0].draft
    for agreement in agreements:
        if agreement.draft.digest != draft.digest:
            raise FoundingRefusedError(
                reason=f"the agreement is another file than the one that {invitation.name} signed: "
                f"{draft.differs_from(agreement.draft)}"
            )
    consortium = draft.consortium()
    signatures = {name: each for one in agreements for name, each in one.signatures.items()}
    for each in given:
        each.check(draft, consortium)
        put(member.signature(each.name), each.to_bytes())
    for name in consortium.names:
        if name not in signatures and member.signature(name).exists():
            kept = Signature.from_bytes(member.signature(name).read_bytes())
            if kept.draft == draft.digest:  # one under an earlier draft does not count
                signatures[name] = kept
    own = signatures.get(invitation.name)
    if invitation.role == "site" and (own is None or not member.draft.exists()):
        raise FoundingRefusedError(reason=f"{invitation.name} has not signed this draft; sign first")
    return Agreement(draft=draft, signatures=signatures)


def _is_agreement(data: bytes) -> bool:
    return b'"format":"crossward/agreement/1"' in data


def _is_news(member: MemberFolder, files: Sequence[bytes]) -> bool:
    """Whether a member that signs nothing would begin, or begin anew, with these files."""
    agreements = [Agreement.from_bytes(data) for data in files if _is_agreement(data)]
    return not member.consortium.exists() or any(is_correction(member, each.draft) for each in agreements)


def write_identity(member: MemberFolder, invitation: Invitation, certificate: bytes) -> None:
    """Join key and certificate in one file; the bare key goes once that file is on the disk.

    Args:
        member: whose files.
        invitation: that it answered.
        certificate: of the authority, PEM.

    Raises:
        ConfigError: the file holds another certificate, or cannot be written.
    """
    path, bare = member.identity(invitation.name, invitation.role), member.key(invitation.name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, certificate + bare.read_bytes())
    remove_partial(path)
    identity = Identity.load(path)
    if identity.certificate_pem != certificate:
        raise ConfigError(mistakes=[f"{path} holds another certificate than the agreement pins"])
    bare.unlink(missing_ok=True)


def _start_file(folder: Path, invitation: Invitation) -> Path | None:
    if invitation.role == "site":
        return folder / SITE_FILE
    return (
        folder / f"{invitation.role}.toml"
        if invitation.role in {"dealer", "aggregator", "keyholder"}
        else None
    )
