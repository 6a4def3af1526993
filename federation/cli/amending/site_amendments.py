"""Commands that propose to add or to replace a site, and what approving and applying such an amendment prints.

Layer:       federation.cli.amending.site_amendments, above amendments.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.amending.amendments import Out, SiteFile, write_amendment
from federation.cli.reporting import reported

if TYPE_CHECKING:
    from federation.consortium.admission.admissions import Admitted

AdmissionFile = Annotated[
    Path, typer.Option("--admission", help="The admission that crossward admit wrote at the founder.")
]


def add_to(propose: typer.Typer) -> None:
    """Add the commands of this file to ``crossward ledger propose``."""
    propose.command("add-site")(add_site)
    propose.command("replace-site")(replace_site)


@reported("ledger propose add-site")
def add_site(site: SiteFile, out: Out, admission: AdmissionFile) -> None:
    """Add a site after the first charge, which crossward join and admit have prepared."""
    from federation.consortium.amending.amendments import add_site as amendment_of

    admitted = _read(site, admission)
    write_amendment(site, out, lambda state: amendment_of(state, admitted.name, admitted.member))


@reported("ledger propose replace-site")
def replace_site(site: SiteFile, out: Out, admission: AdmissionFile) -> None:
    """Let a site go on with a new machine and key, where its key is lost."""
    from federation.consortium.amending.amendments import replace_site as amendment_of

    admitted = _read(site, admission)
    write_amendment(site, out, lambda state: amendment_of(state, admitted.name, admitted.member))


def _read(site: Path, path: Path) -> Admitted:
    from datetime import UTC, datetime

    from federation.cli.founding.found import read_file
    from federation.consortium.admission.admissions import Admission
    from federation.consortium.site_file import load_site
    from federation.errors import AmendmentRejectedError

    admitted = Admission.from_bytes(read_file(path)).check(datetime.now(UTC))
    if admitted.consortium.digest() != load_site(site).consortium.digest():
        raise AmendmentRejectedError(reason="the admission is to another consortium")
    return admitted
