"""Commands that renew a member's key and certificate: renew at the member, certify where the authority's key is.

Layer:       federation.cli.founding.renew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.founding.found import asked_words, read_file
from federation.cli.outcome import UsageError
from federation.cli.reporting import note, reported, say

Out = Annotated[Path, typer.Option("--out", help="The file to send, a new one.")]


@reported("renew")
def renew(
    member: Annotated[
        Path,
        typer.Argument(
            help="The site's or the helper's file; of an analyst or auditor the certificate and key."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The renewal to send to the founder, a new file.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The renewed certificate that the founder sent back.")
    ] = None,
    consortium: Annotated[
        Path | None,
        typer.Option("--consortium", "-c", help="Of an analyst or auditor; default: two folders up."),
    ] = None,
) -> None:
    """Renew this member's key: make one here, ask for its certificate, then keep that until all sites have approved."""
    from federation.setup.several_machines import renewing_members

    if (out is None) == (certificate is None):
        raise UsageError(reason="give --out to ask for a certificate, or --certificate to keep one")
    if certificate is not None:
        ends = renewing_members.install_member_renewal(member, read_file(certificate), consortium)
        note(valid_until=f"{ends:%Y-%m-%d}")
        say(f"kept, valid until {ends:%Y-%m-%d}; the present certificate stays in use")
        if not renewing_members.is_site_file(member):
            say(
                f"Next, at any site: crossward ledger propose renew-member SITE.toml --certificate {certificate}"
            )
            return
        say("Next: restart this site's node, so that it can sign with both keys; then")
        say(f"crossward ledger propose renew-site {member} --certificate {certificate} --out renew.json")
        return
    data, key = renewing_members.request_member_renewal(member, consortium)
    if out is not None:
        write_new(out, data)
        note(files=out, key=key)
    say(f"made the key {key[:16]} here; send {out} to the founder")
    say("The founder certifies it: crossward certify FOLDER FILE --out CERTIFICATE")


@reported("certify")
def certify(
    folder: Annotated[Path, typer.Argument(help="The folder with consortium.toml and the authority's key.")],
    request: Annotated[Path, typer.Argument(help="The renewal or the enrolment that the member sent.")],
    out: Out,
    words: Annotated[
        str,
        typer.Option("--words", help="Of an enrolment, the eight words as the new member reads them out."),
    ] = "",
) -> None:
    """Certify a member's new key, which its present key has signed, or a new member's; where the authority's key is."""
    from federation.setup.several_machines import enrolling, renewing

    given = read_file(request)
    if enrolling.is_enrolment(given):
        data, name = enrolling.certify_enrolment(
            folder, given, lambda who: words or asked_words(who, "--words")
        )
    else:
        data, name = renewing.certify_renewal(folder, given)
    write_new(out, data)
    note(files=out, member=name)
    say(f"send {out} to {name}; no member trusts the new key before all sites have approved it")


def write_new(out: Path, data: bytes) -> None:
    """Write a file for another member.

    Raises:
        UsageError: it exists already, or cannot be written.
    """
    try:
        with out.open("xb") as stream:
            stream.write(data)
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
