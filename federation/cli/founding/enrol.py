"""The command of a person who joins a consortium that has begun, as an analyst or auditor.

Layer:       federation.cli.founding.enrol.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.founding.found import read_file
from federation.cli.founding.renew import write_new
from federation.cli.outcome import UsageError
from federation.cli.reporting import note, reported, say

Home = Annotated[
    Path, typer.Argument(help="The folder with your copy of consortium.toml and what lies beside it.")
]


@reported("enrol")
def enrol(
    folder: Home,
    member: Annotated[str, typer.Argument(help="NAME:analyst or NAME:auditor.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The enrolment to send to the founder, a new file.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The certificate that the founder sent back.")
    ] = None,
) -> None:
    """Join a consortium that has begun: make a key here, ask for its certificate, then keep that."""
    from federation.setup.several_machines import enrolling

    if (out is None) == (certificate is None):
        raise UsageError(reason="give --out to ask for a certificate, or --certificate to keep one")
    name, _, role = member.partition(":")
    if certificate is not None:
        ends = enrolling.install_enrolment(folder, name, read_file(certificate))
        note(files=enrolling.identity_file(folder, name), valid_until=f"{ends:%Y-%m-%d}")
        say(f"kept in {enrolling.identity_file(folder, name)}, valid until {ends:%Y-%m-%d}")
        say("Sites accept it once all have signed the amendment; put the members.json that a site then")
        say("sends you beside your consortium.toml")
        return
    enrolment = enrolling.request_enrolment(folder, name, role)
    if out is not None:
        write_new(out, enrolment.to_bytes())
        note(files=out, words=list(enrolment.words))
    say(f"made the key {enrolment.public_key.public_bytes_raw().hex()[:16]} here; send {out} to the founder")
    say("Then call the founder's administrator, on a number that was not in the same e-mail, and read out:")
    say(f"words: {' '.join(enrolment.words)}")
