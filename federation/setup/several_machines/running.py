"""Whether a consortium has been charged, and whom its founder may still invite then.

Layer:       federation.setup.several_machines.running, above correcting; below founding.
Guarantees:  after the first charge an invitation is for a site alone: one with a name that no member has, or one that takes
             the place of a member whose machine is lost.
See instead: what the founder does with the answer (``admitting``), before the first charge (``correcting``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.consortium.consortium_model import MAX_SITES
from federation.consortium.site_file import load_site
from federation.errors import FoundingRefusedError
from federation.node.ledger.correction import what_binds_site
from federation.node.ledger.present_members import members_here
from federation.setup.several_machines.correcting import check_open, in_force_at

if TYPE_CHECKING:
    from pathlib import Path


def is_bound(folder: Path) -> bool:
    """Whether something was charged: from then on the consortium changes by amendments alone; the node may run.

    Args:
        folder: the site's.

    Raises:
        ConfigError: the files hold mistakes.
    """
    config = in_force_at(folder)
    return config is not None and what_binds_site(config) != ""


def check_may_join(folder: Path, name: str, role: str, *, replace: bool) -> None:
    """Check whom the founder invites to a consortium that was charged.

    Args:
        folder: the founder's.
        name: of the new member.
        role: its role.
        replace: whether it takes the place of a site whose machine and key are lost.

    Raises:
        FoundingRefusedError: not a site, the name is taken, there are too many sites, or the sequencer is to be replaced.
    """
    if role != "site":
        check_open(folder)
    config = load_site(folder)
    present = members_here(config)
    file = config.among(present.changes).file
    helpers = [each.name for each in (file.dealer, file.aggregator, file.keyholder) if each is not None]
    if name in present.keys:
        if not replace:
            raise FoundingRefusedError(
                reason=f"{name} is a site of this consortium; --replace invites it to another machine, where its key is lost"
            )
        if name == present.sequencer:
            raise FoundingRefusedError(
                reason=f"{name} is the sequencer and cannot be replaced: remove it with crossward ledger propose remove-site, "
                "and invite it under another name"
            )
        return
    if name in {*file.sites, *file.analysts, *file.auditors, *helpers}:
        raise FoundingRefusedError(
            reason=f"{name} is, or was, a member of this consortium: a new site takes a name of its own"
        )
    if len(present.keys) >= MAX_SITES:
        raise FoundingRefusedError(reason=f"a consortium has at most {MAX_SITES} sites")
