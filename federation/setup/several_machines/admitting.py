"""Admitting a site to a consortium that was charged: the founder certifies its key and writes the admission.

Layer:       federation.setup.several_machines.admitting, above founding and running.
Guarantees:  an answer is taken as before the beginning: an invitation admits one key, once, after two people have compared
             eight words. The admission alone adds no site: the ledger entry does, which all sites sign. It can be written
             again, and then holds the entries that came since.
See instead: the new site's side (``entering``), the amendment (``federation.consortium.amending.amendments``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from federation.consortium.admission.admissions import Admission
from federation.consortium.admission.comparison_words import check_words
from federation.consortium.admission.invitations import Answer
from federation.consortium.consortium_model import Member
from federation.consortium.members_file import write_members
from federation.consortium.new_site import check_place
from federation.consortium.site_file import load_site
from federation.errors import FoundingRefusedError
from federation.identity.authority import Authority
from federation.node.ledger.present_members import members_here
from federation.setup.several_machines.founder_folder import FounderFolder
from federation.setup.several_machines.founding import admitted_record, certify, is_new_answer
from federation.setup.several_machines.joining import MemberFolder
from federation.setup.several_machines.running import check_may_join
from federation.setup.several_machines.whole_files import put
from privacy_accounting.ledger.changes.members_change import MembersChange

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from federation.node.ledger.present_members import Present

UNKNOWN = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedSite:
    """What the founder sends.

    Attributes:
        name: of the site.
        file: the admission, for the site.
        replaces: whether it takes the place of a site whose machine is lost.
    """

    name: str
    file: Path
    replaces: bool


def admit_site(
    folder: Path, data: bytes, *, words: Mapping[str, str], now: int | None = None
) -> AdmittedSite:
    """Admit a site by its answer; again, where it was admitted before.

    Args:
        folder: the founder's.
        data: the answer's bytes.
        words: the eight words that its administrator read out, by name; not needed for an answer that was admitted.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The admission's file.

    Raises:
        FoundingRefusedError: the answer is refused.
        AmendmentRejectedError: its address is another member's.
        ConfigError: a file cannot be read or written.
    """
    places, at = FounderFolder(root=folder), int(time.time()) if now is None else now
    config, answer = load_site(folder), Answer.from_bytes(data)
    present, invitations = members_here(config), places.invitations()
    if is_new_answer(places, invitations, answer, at):
        check_may_join(folder, answer.name, answer.role, replace=answer.name in present.keys)
        _check_key(config.consortium, present, answer)
        place = Member(address=answer.address, fingerprint=UNKNOWN, public_key=answer.public_key)
        check_place(config.among(present.changes), answer.name, place)
        check_words(
            words.get(answer.name, ""), invitations[answer.name].words(answer.public_key), name=answer.name
        )
        certify(places, Authority.load(places.authority), answer)
    _, certificate = admitted_record(places, answer.name)
    admission = Admission(
        agreement=MemberFolder(root=folder).agreement.read_bytes(),
        members=write_members(present.entries) if present.entries else b"",
        certificate=certificate,
        address=answer.address,
    )
    admission.check(datetime.fromtimestamp(at, UTC) if now is None else None)
    path = places.admission(answer.name)
    put(path, admission.to_bytes())
    return AdmittedSite(name=answer.name, file=path, replaces=answer.name in present.keys)


def _check_key(consortium: Consortium, present: Present, answer: Answer) -> None:
    ever = {each.public_key for each in consortium.founded.sites.values()}
    ever |= {change.key for change in present.changes if isinstance(change, MembersChange)}
    if answer.public_key in ever:
        raise FoundingRefusedError(
            reason=f"{answer.name} answers with a key that is, or was, a member's: a site takes a fresh one"
        )
