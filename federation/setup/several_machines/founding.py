"""Founding a consortium over several machines: authority, invitations, admission of the answers, the draft.

Layer:       federation.setup.several_machines.founding, above joining.
Terms:       the *founder* is the site that keeps the authority's key. It certifies the keys that the members have made,
             and it decides nothing alone: trusted is only the draft that all sites sign.
Guarantees:  no private key but the founder's own is ever on this machine. An invitation admits one key, once, and only
             after two people have compared eight words. The folder appears whole; every later step can be run again.
See instead: the members' side (``joining``), signing the draft (``signing``), one machine for all (``create``).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from analytics.sources.spec import DEFAULT_VIEW
from federation.consortium.admission.approvals import AUTHORITY, Draft
from federation.consortium.admission.comparison_words import check_words
from federation.consortium.admission.invitations import (
    DAY_S,
    ROLES,
    TOKEN_BYTES,
    Answer,
    Invitation,
    date,
    opened,
)
from federation.consortium.consortium_model import MAX_SITES, MIN_SITES
from federation.consortium.file_format.file_types import address_mistake, name_mistake
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.authority import Authority
from federation.identity.certificates import AUTHORITY_FILE
from federation.identity.direct_certificate import direct_certificate
from federation.identity.signing_request import requested_key
from federation.setup.consortium_toml import members_toml, terms_toml
from federation.setup.infer_column import plain_name
from federation.setup.infer_schema import EPSILON, SHARES, guess_table
from federation.setup.settings import ConsortiumSettings
from federation.setup.several_machines.correcting import check_open
from federation.setup.several_machines.founder_folder import FounderFolder
from federation.setup.several_machines.joining import MemberFolder, address_faults, write_member
from federation.setup.several_machines.running import check_may_join, is_bound
from federation.setup.several_machines.whole_files import PRIVATE, new_folder, put
from federation.setup.site_rows import site_rows
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import encode
from smpc.computing_sites import COMPUTING_SITES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HELPER_ROLES: Final = ("dealer", "aggregator", "keyholder")
SECTIONS: Final = {"site": "sites", "analyst": "analysts", "auditor": "auditors"}
_MEMBER: Final = "crossward/admitted/1"
_MAX_RECORD: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The state of a founding after an admission.

    Attributes:
        members: who is admitted.
        waiting: invited members whose answer is missing.
        draft: the draft's file; None while an answer is missing.
        remarks: on certificates that end soon.
    """

    members: Sequence[str]
    waiting: Sequence[str]
    draft: Path | None
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundingPlan:
    """What the founder's administrator chooses.

    Attributes:
        name: the consortium's name.
        site: the founder's own site.
        address: HOST:PORT where the others reach it.
        data: the site's file, of any kind that sources have.
        invited: role of each other member, by name.
        table: the table's name in SQL.
        days: how long the invitations are good for.
        engine: what computes on shares at this site.
        settings: keys of the site file that say how the data file is written.
        view: one SELECT over ``source``, before the guess.
        direct: HOST:PORT where members reach ``crossward collect``; empty: files travel by other means.
    """

    name: str
    site: str
    address: str
    data: Path | str
    invited: Mapping[str, str]
    table: str = "patients"
    days: int = 14
    engine: str = "crypten"
    settings: Mapping[str, Any] = field(default_factory=dict)
    view: str = DEFAULT_VIEW
    direct: str = ""


def found(folder: Path, plan: FoundingPlan, *, now: int | None = None) -> list[Path]:
    """Found a consortium at one of its sites.

    Visible to: the schema is guessed from this site's file and marked as guessed; it stays on this machine until every
    member is admitted and the draft is sent.

    Args:
        folder: a new folder for the founder.
        plan: members, and this site's own choices.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The invitations to send.

    Raises:
        ConfigError: with every mistake; no file is written then.
    """
    members = {plan.site: "site"} | dict(plan.invited)
    _check_plan(plan, members)
    at = int(time.time()) if now is None else now
    given = site_rows(plan.site, plan.data, settings=plan.settings, view=plan.view)
    rows = given.with_missing_words()
    guess = guess_table(rows, plan.table)
    table = rows.setup(guess.view(plan.view))
    terms = _terms(plan, members, guess.schema)
    authority = Authority.create(plan.name)
    with new_folder(folder.resolve()) as partial:
        places = FounderFolder(root=partial)
        authority.save(places.authority)
        put(places.terms, terms_toml(terms, authority=AUTHORITY, sequencer=plan.site).encode())
        for member, role in members.items():
            _write_invitation(
                places,
                authority,
                member,
                role,
                table=plan.table,
                days=plan.days,
                now=at,
                direct=plan.direct,
            )
        own = Invitation.from_bytes(places.invitation(plan.site).read_bytes())
        answer = write_member(partial, own, address=plan.address, table=table, engine=plan.engine, made=at)
        certify(places, authority, answer)
    return [FounderFolder(root=folder).invitation(member) for member in plan.invited]


def invite(
    folder: Path,
    member: str,
    role: str,
    *,
    days: int = 14,
    replace: bool = False,
    direct: str | None = None,
    now: int | None = None,
) -> Path:
    """Write an invitation for one more member, or a new one in the place of one that expired or was lost.

    Args:
        folder: the founder's.
        member: its name.
        role: its role.
        days: how long the invitation is good for.
        replace: also if the member was admitted before; its certificate is dropped.
        direct: as in ``FoundingPlan``; None: as the founder's own invitation has it.
        now: seconds since 1970.

    Returns:
        The invitation to send.

    Raises:
        FoundingRefusedError: the member was admitted, it is the founder itself, or, after the first charge, it is no site.
        ConfigError: the name or the role is wrong.
    """
    places = FounderFolder(root=folder)
    known, is_running = places.invitations(), is_bound(folder)
    own = MemberFolder(root=folder).load_invitation()
    if member == own.name:
        raise FoundingRefusedError(reason=f"{member} is the founder and needs no invitation")
    roles = {} if is_running else {name: each.role for name, each in known.items()}
    roles |= {member: role}
    if is_running:
        check_may_join(folder, member, role, replace=replace)
    place = own.direct if direct is None and not is_running else direct or ""
    mistakes = _member_mistakes(roles) + _direct_mistakes(place)
    if is_running and place:
        mistakes.append(
            "--direct: after the first charge the files of a site that joins travel by other means"
        )
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    if places.admitted(member).exists():
        if not replace:
            raise FoundingRefusedError(
                reason=f"{member} is admitted already; --replace drops its certificate and lets it join again"
            )
        places.admitted(member).unlink()
    at = int(time.time()) if now is None else now
    authority = Authority.load(places.authority)
    places.arrived(member).unlink(missing_ok=True)
    _write_invitation(places, authority, member, role, table=own.table, days=days, now=at, direct=place)
    return places.invitation(member)


def admit(
    folder: Path, answers: Sequence[bytes], *, words: Mapping[str, str], now: int | None = None
) -> Admitted:
    """Admit members by their answers; write the draft once no answer is missing.

    Args:
        folder: the founder's.
        answers: the files' bytes; none writes the draft anew after the terms were edited.
        words: the eight words that each new member's administrator read out, by name.
        now: seconds since 1970; default this machine's clock.

    Returns:
        Who is admitted, who is missing, and the draft.

    Raises:
        FoundingRefusedError: an answer is refused; the ones before it are admitted, and it can be run again.
        ConfigError: the terms hold mistakes.
    """
    places = FounderFolder(root=folder)
    invitations = places.invitations()
    check_open(folder)
    at = int(time.time()) if now is None else now
    authority = Authority.load(places.authority)
    for data in answers:
        answer = Answer.from_bytes(data)
        if is_new_answer(places, invitations, answer, at):
            said = words.get(answer.name, "")
            check_words(said, invitations[answer.name].words(answer.public_key), name=answer.name)
            certify(places, authority, answer)
    members = [name for name in invitations if places.admitted(name).exists()]
    waiting = [name for name in invitations if name not in members]
    if waiting:
        return Admitted(members=members, waiting=waiting, draft=None, remarks=())
    draft = _draft(places, members, authority)
    _, remarks = draft.check()
    put(places.draft, draft.to_bytes())
    return Admitted(members=members, waiting=(), draft=places.draft, remarks=remarks)


def new_members(folder: Path, answers: Sequence[bytes]) -> list[str]:
    """Return the members of these answers that are not admitted yet: a person must give their words."""
    places = FounderFolder(root=folder)
    names = [Answer.from_bytes(data).name for data in answers]
    return [name for name in names if name_mistake(name) is None and not places.admitted(name).exists()]


def is_new_answer(
    places: FounderFolder, invitations: Mapping[str, Invitation], answer: Answer, now: int
) -> bool:
    """Check an answer; False where exactly this answer is admitted already; errors as ``admit``."""
    ours = next(iter(invitations.values()))
    if (answer.consortium, answer.founder) != (ours.consortium, ours.founder):
        answer.check_answers(ours)
    invitation = invitations.get(answer.name)
    if invitation is None:
        raise FoundingRefusedError(reason=f"no invitation was written for {answer.name}")
    others = _records(places, [name for name in invitations if places.admitted(name).exists()])
    earlier = others.pop(answer.name, None)
    if earlier is not None and earlier[0] == answer:
        return False
    if earlier is not None:
        raise FoundingRefusedError(
            reason=f"the invitation of {answer.name} was used already, by the answer of {date(earlier[0].made)}; "
            "an invitation admits one key, once"
        )
    answer.check_answers(invitation)
    answer.check_clock(now)
    invitation.check_time(now)
    if requested_key(answer.request, answer.name).public_bytes_raw().hex() != answer.public_key:
        raise FoundingRefusedError(reason=f"the answer of {answer.name} asks a certificate for another key")
    mistakes = address_faults(answer.name, answer.role, answer.address)
    if mistakes or bool(answer.paillier_modulus) != (answer.role == "keyholder"):
        raise FoundingRefusedError(
            reason=f"the answer of {answer.name} lacks an address or a key, or has one too many"
        )
    for name, (other, _) in others.items():
        if other.public_key == answer.public_key:
            raise FoundingRefusedError(reason=f"{answer.name} answers with the key of {name}")
        if answer.address and other.address == answer.address:
            raise FoundingRefusedError(
                reason=f"{answer.name} answers with the address of {name}, {answer.address}"
            )
    return True


def _check_plan(plan: FoundingPlan, members: Mapping[str, str]) -> None:
    mistakes = [
        f"consortium name {plan.name!r} {mistake}" for mistake in [name_mistake(plan.name)] if mistake
    ]
    mistakes += _member_mistakes(members)
    roles = list(members.values())
    if plan.site in plan.invited:
        mistakes.append(f"{plan.site} is the founder's own site and cannot be invited as well")
    if roles.count("site") < MIN_SITES:
        mistakes.append(f"a consortium has {MIN_SITES} to {MAX_SITES} sites: invite at least one more")
    if "analyst" not in roles:
        mistakes.append("invite at least one analyst: --invite NAME:analyst")
    if plain_name(plan.table) != plan.table:
        mistakes.append(f"table name {plan.table!r} must start with a letter and hold only a-z, 0-9 and _")
    mistakes += address_faults(plan.site, "site", plan.address) + _direct_mistakes(plan.direct)
    if mistakes:
        raise ConfigError(mistakes=mistakes)


def _direct_mistakes(address: str) -> list[str]:
    mistake = address_mistake(address) if address else None
    return [f"--direct {address!r} {mistake}"] if mistake else []


def _member_mistakes(members: Mapping[str, str]) -> list[str]:
    mistakes = [f"name {name!r} {mistake}" for name in members if (mistake := name_mistake(name))]
    roles = list(members.values())
    mistakes += [f"role {role!r} is none of {', '.join(ROLES)}" for role in sorted(set(roles) - set(ROLES))]
    mistakes += [
        f"a consortium has one {role}, not {roles.count(role)}"
        for role in HELPER_ROLES
        if roles.count(role) > 1
    ]
    if roles.count("site") > MAX_SITES:
        mistakes.append(f"a consortium has at most {MAX_SITES} sites, not {roles.count('site')}")
    return mistakes


def _terms(plan: FoundingPlan, members: Mapping[str, str], schema: str) -> ConsortiumSettings:
    sites = [member for member, role in members.items() if role == "site"]
    has_dealer = "dealer" in members.values()
    return ConsortiumSettings(
        name=plan.name,
        budgets={
            plan.table: {"epsilon": EPSILON, **{part: {"share": share} for part, share in SHARES.items()}}
        },
        schema=schema,
        three_sites=() if has_dealer or len(sites) < COMPUTING_SITES else sites[:COMPUTING_SITES],
    )


def _write_invitation(
    places: FounderFolder,
    authority: Authority,
    member: str,
    role: str,
    *,
    table: str,
    days: int,
    now: int,
    direct: str,
) -> None:
    invitation = Invitation(
        consortium=authority.name,
        founder=_certificate_of(authority).fingerprint(hashes.SHA256()).hex(),
        name=member,
        role=role,
        table=table if role == "site" else "",
        token=secrets.token_hex(TOKEN_BYTES),
        issued=now,
        expires=now + days * DAY_S,
        direct=direct,
        certificate=direct_certificate(places.direct, name=authority.name) if direct else "",
    )
    put(places.invitation(member), invitation.to_bytes(), mode=PRIVATE)


def certify(places: FounderFolder, authority: Authority, answer: Answer) -> None:
    """Certify the key of an answer that was checked, and keep both."""
    pem = authority.certify(requested_key(answer.request, answer.name), answer.name, answer.role)
    record = {
        "format": _MEMBER,
        "answer": answer.to_bytes().decode("ascii").removesuffix("\n"),
        "certificate": _der(x509.load_pem_x509_certificate(pem)).hex(),
    }
    put(places.admitted(answer.name), encode(record) + b"\n")


def admitted_answer(places: FounderFolder, name: str) -> Answer | None:
    """Return the answer under which a member was admitted; None where it was not; errors as ``admit``."""
    return _records(places, [name])[name][0] if places.admitted(name).exists() else None


def admitted_record(places: FounderFolder, name: str) -> tuple[Answer, bytes]:
    """Return the answer of an admitted member and its certificate (DER); errors as ``admit``."""
    return _records(places, [name])[name]


def _records(places: FounderFolder, names: Sequence[str]) -> dict[str, tuple[Answer, bytes]]:
    """Read answer and certificate (DER) of admitted members."""
    found: dict[str, tuple[Answer, bytes]] = {}
    for name in names:
        path = places.admitted(name)
        fields = opened(path.read_bytes(), _MEMBER, "member's record", limit=_MAX_RECORD)
        try:
            answer = Answer.from_bytes(fields.text("answer", most=_MAX_RECORD).encode())
            found[name] = (answer, bytes.fromhex(fields.text("certificate", most=_MAX_RECORD)))
            fields.done()
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"{path} is damaged") from error
    return found


def _draft(places: FounderFolder, names: Sequence[str], authority: Authority) -> Draft:
    try:
        terms = places.terms.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(mistakes=[f"cannot read {places.terms} as UTF-8 text"]) from error
    sections: dict[str, dict[str, dict[str, str]]] = {section: {} for section in SECTIONS.values()}
    helpers: dict[str, dict[str, Any]] = {}
    certificates: dict[str, bytes] = {}
    for name, (answer, der) in _records(places, names).items():
        certificates[name] = der
        fingerprint = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()
        member = {"address": answer.address} if answer.address else {}
        member |= {"fingerprint": fingerprint, "public_key": answer.public_key}
        if answer.role in SECTIONS:
            sections[SECTIONS[answer.role]][name] = member
        else:
            modulus = {"paillier_modulus": answer.paillier_modulus} if answer.paillier_modulus else {}
            helpers[answer.role] = {"name": name} | member | modulus
    text = terms.rstrip() + "\n" + members_toml(sections, helpers)
    return Draft(text=text, authority=_der(_certificate_of(authority)), certificates=certificates)


def _certificate_of(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate_pem)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def founder_of(folder: Path) -> str:
    """The fingerprint of the authority whose key this folder keeps; empty where it keeps none."""
    path = FounderFolder(root=folder).authority / AUTHORITY_FILE
    if not path.is_file():
        return ""
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex()
