"""Commands that renew a site's key and certificate: renew at the site, certify where the authority's key is.

Layer:       federation.cli.renew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.found import read_file
from federation.cli.outcome import UsageError

Out = Annotated[Path, typer.Option("--out", help="The file to send, a new one.")]


def renew(
    site: Annotated[Path, typer.Argument(help="The site file.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The renewal to send to the founder, a new file.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The renewed certificate that the founder sent back.")
    ] = None,
) -> None:
    """Renew this site's key: make one here, ask for its certificate, then keep that until all sites have approved."""
    from federation.setup import renewing

    if (out is None) == (certificate is None):
        raise UsageError(reason="give --out to ask for a certificate, or --certificate to keep one")
    if certificate is not None:
        ends = renewing.install_renewal(site, read_file(certificate))
        typer.echo(f"kept, valid until {ends:%Y-%m-%d}; the present certificate stays in use")
        typer.echo("Next: restart this site's node, so that it can sign with both keys; then")
        typer.echo(f"crossward ledger propose renew-site {site} --certificate {certificate} --out renew.json")
        return
    data, key = renewing.request_renewal(site)
    if out is not None:
        _write(out, data)
    typer.echo(f"made the key {key[:16]} here; send {out} to the founder")
    typer.echo("The founder certifies it: crossward certify FOLDER FILE --out CERTIFICATE")


def certify(
    folder: Annotated[Path, typer.Argument(help="The folder with consortium.toml and the authority's key.")],
    renewal: Annotated[Path, typer.Argument(help="The renewal that the site sent.")],
    out: Out,
) -> None:
    """Certify the new key of a site, which its present key has signed; where the authority's key is."""
    from federation.setup import renewing

    data, name = renewing.certify_renewal(folder, read_file(renewal))
    _write(out, data)
    typer.echo(f"send {out} to {name}; no member trusts the new key before all sites have approved it")


def _write(out: Path, data: bytes) -> None:
    try:
        with out.open("xb") as stream:
            stream.write(data)
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
