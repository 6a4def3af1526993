"""Changes of the sites, as amendments propose and describe them: added, replaced, renewed, removed, another sequencer.

Layer:       federation.consortium.amending.site_changes, below amendments. Pure.
Guarantees:  a name and a key serve one site once: an added site has a name that no member ever had, and a new key was
             never a member's. The sequencer is not replaced, since others may wait for a withdrawal by its lost key.
See instead: the entries (``privacy_accounting.ledger.changes.members_change``), what more an added site must fit
             (``federation.consortium.new_site``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.consortium.consortium_model import MAX_SITES
from federation.consortium.file_format.file_types import address_mistake, name_mistake
from federation.errors import AmendmentRejectedError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.members_change import MembersChange

if TYPE_CHECKING:
    from federation.consortium.consortium_model import Member
    from privacy_accounting.ledger.state import ChainState


def sequencer_change(state: ChainState, site: str) -> MembersChange:
    """Propose another sequencer.

    Raises:
        AmendmentRejectedError: the site is not a member, or is the sequencer already.
    """
    if site == state.members().sequencer:
        raise AmendmentRejectedError(reason=f"{site} is the sequencer already")
    return _fitting(state, MembersChange(change="sequencer", name=site, key="", sequencer=site))


def removal(state: ChainState, site: str, sequencer: str) -> MembersChange:
    """Propose to remove a site that is lost for good.

    Args:
        state: another site's ledger.
        site: the lost one.
        sequencer: the next sequencer; needed where the lost site was the sequencer.

    Raises:
        AmendmentRejectedError: the site is not a member, too few sites would be left, or the next sequencer is missing.
    """
    now = state.members().sequencer
    if site == now and not sequencer:
        raise AmendmentRejectedError(reason=f"{site} is the sequencer: name the next sequencer")
    colluding = state.genesis.colluding if state.genesis else 0
    if len(state.members().names) - 1 <= colluding:
        raise AmendmentRejectedError(reason=f"no more sites would be left than may collude ({colluding})")
    return _fitting(state, MembersChange(change="lose", name=site, key="", sequencer=sequencer or now))


def renewal(state: ChainState, site: str, key: str) -> MembersChange:
    """Propose that a site signs with another key from then on.

    Args:
        state: a site's ledger.
        site: whose key.
        key: the new Ed25519 key, hexadecimal.

    Raises:
        AmendmentRejectedError: the site is not a member, or the key is, or was, a member's.
    """
    _check_fresh(state, key)
    return _fitting(
        state, MembersChange(change="rekey", name=site, key=key, sequencer=state.members().sequencer)
    )


def addition(state: ChainState, site: str, member: Member) -> MembersChange:
    """Propose one site more.

    Args:
        state: a site's ledger.
        site: its name.
        member: its address, certificate and key.

    Raises:
        AmendmentRejectedError: the name or the key is, or was, a member's; the address is malformed; or there are too
            many sites.
    """
    _check_fresh(state, member.public_key)
    if any(site in members.keys for _, members in state.succession.spans):
        raise AmendmentRejectedError(
            reason=f"{site} is, or was, a site of this consortium: a new site takes a name of its own"
        )
    if len(state.members().names) >= MAX_SITES:
        raise AmendmentRejectedError(reason=f"a consortium has at most {MAX_SITES} sites")
    return _fitting(state, _placed(state, "add", site, member))


def replacement(state: ChainState, site: str, member: Member) -> MembersChange:
    """Propose that a site goes on with another machine and key, where its key was lost.

    Args:
        state: another site's ledger.
        site: its name, which stays.
        member: address, certificate and key of the new machine.

    Raises:
        AmendmentRejectedError: the site is not a member, or is the sequencer; or the key is, or was, a member's.
    """
    _check_fresh(state, member.public_key)
    if site == state.members().sequencer:
        raise AmendmentRejectedError(
            reason=f"{site} is the sequencer: others may wait for a withdrawal that only its lost key can sign. "
            "Remove it and name the next sequencer; then it joins again under another name"
        )
    return _fitting(state, _placed(state, "rekey", site, member))


def text(change: MembersChange) -> str:
    """Describe a change, for the administrator who approves it."""
    place = (
        f"at {change.address}, with the key {change.key[:16]} and the certificate {change.fingerprint[:16]}"
    )
    if change.change == "lose":
        return f"remove {change.name}, lost for good; {change.sequencer} is the sequencer from then on"
    if change.change == "add" and change.address:
        return f"add the site {change.name} {place}"
    if change.change == "rekey" and change.address:
        return f"replace the machine and key of {change.name}, lost for good, by those {place}"
    if change.change == "rekey":
        return f"renew the key of {change.name}: {change.key[:16]} from then on"
    if change.change == "sequencer":
        return f"make {change.sequencer} the sequencer"
    return f"{change.change} {change.name}"


def present(change: MembersChange, state: ChainState) -> str:
    """Describe the present value, in a site's ledger, of what a change concerns."""
    members = state.members()
    if change.change == "rekey":
        return f"now: {members.keys[change.name][:16]}"
    return f"now: {', '.join(members.names)}; {members.sequencer} is the sequencer"


def written_anew(change: MembersChange, state: ChainState, member: Member | None) -> MembersChange | None:
    """Return what the proposal command writes for the same text; None where there is no such command.

    Args:
        change: the content of an amendment.
        state: a site's ledger.
        member: the place that an added or replaced site's entry gives; None without one.
    """
    if change.change == "sequencer":
        return sequencer_change(state, change.name)
    if change.change == "lose":
        return removal(state, change.name, change.sequencer)
    if member is not None:
        propose = addition if change.change == "add" else replacement
        return propose(state, change.name, member)
    return renewal(state, change.name, change.key) if change.change == "rekey" else None


def _placed(state: ChainState, change: str, site: str, member: Member) -> MembersChange:
    mistakes = [
        f"{what} {value!r} {mistake}"
        for what, value, mistake in (
            ("site", site, name_mistake(site)),
            ("address", member.address, address_mistake(member.address)),
        )
        if mistake
    ]
    if mistakes:
        raise AmendmentRejectedError(reason="; ".join(mistakes))
    return MembersChange(
        change=change,
        name=site,
        key=member.public_key,
        sequencer=state.members().sequencer,
        address=member.address,
        fingerprint=member.fingerprint,
    )


def _check_fresh(state: ChainState, key: str) -> None:
    if any(key in members.keys.values() for _, members in state.succession.spans):
        raise AmendmentRejectedError(reason="the new key is, or was, a member's: a site takes a fresh one")


def _fitting(state: ChainState, change: MembersChange) -> MembersChange:
    members = state.members()
    named = {change.sequencer} if change.change == "add" else {change.name, change.sequencer}
    for name in sorted(named):
        if name not in members.keys:
            raise AmendmentRejectedError(
                reason=f"{name} is not a member; the members are {', '.join(members.names)}"
            )
    try:
        members.changed(change)
    except LedgerRefusedError as error:
        raise AmendmentRejectedError(reason=error.reason) from error
    return change
