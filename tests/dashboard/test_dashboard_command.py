"""The command refuses before a page is shown: certificates that no site would accept, paths, ports, missing packages."""

import dataclasses as dc
import datetime as dt

import pytest

from federation.dashboard import server
from federation.identity.authority import Authority
from tests.cli.conftest import crossward, make_folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("dashboard") / "here")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """No site runs here: none is asked for newer members, and a dashboard that would open ends at once."""
    from federation.client.session import Session

    monkeypatch.setattr(Session, "changes_elsewhere", lambda self: b"")
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)


def opened(folders, *more):
    return crossward("dashboard", "-c", folders.consortium, *more)


def test_the_link_is_printed_and_the_token_is_in_no_argument(folders):
    found = opened(folders, "--identity", folders.analyst("analyst"))
    assert found.code == 0
    assert "open http://127.0.0.1:" in found.out
    assert len(found.out.rpartition("token=")[2].strip()) == 43


def test_an_expired_certificate(folders, monkeypatch):
    monkeypatch.setattr("federation.diagnostics.checks.datetime", Later)
    found = opened(folders, "--identity", folders.analyst("analyst"))
    assert (found.code, "it ended on" in found.err) == (1, True)
    assert "open http" not in found.out


class Later(dt.datetime):
    @classmethod
    def now(cls, tz=None):
        return dt.datetime.now(tz) + dt.timedelta(days=5000)


def test_a_certificate_of_another_authority_and_one_that_is_not_in_the_agreement(folders, tmp_path):
    authority = Authority.create("elsewhere")
    for role, name in (("analyst", "analyst"), ("analyst", "eve")):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(authority.issue(name, role))
        path.chmod(0o600)
        found = opened(folders, "--identity", path)
        assert found.code == 1
        assert "consortium file" in found.err
        assert "open http" not in found.out


def test_a_site_is_no_analyst(folders):
    found = opened(folders, "--identity", folders.site_identity("anna"))
    assert (found.code, "only analysts may ask" in found.err) == (1, True)


def test_paths_that_cannot_be_used(folders, tmp_path):
    (tmp_path / "file").write_text("x")
    for more, text in (
        (("--ledger", tmp_path / "missing"), "there is no such file"),
        (("--site", tmp_path / "missing"), "missing"),
        (("--checkpoints", tmp_path / "file" / "x"), "cannot make"),
    ):
        found = opened(folders, "--identity", folders.analyst("analyst"), *more)
        assert found.code == 1
        assert text in found.err


def test_a_taken_port_is_named_and_another_offered(folders):
    with server.take_port(None) as taken:
        port = taken.getsockname()[1]
        found = opened(folders, "--identity", folders.analyst("analyst"), "--port", port)
        assert (found.code, f"port {port} is taken" in found.err, "--port" in found.err) == (1, True, True)
        again = opened(folders, "--identity", folders.analyst("analyst"))
        assert f"open http://127.0.0.1:{port}/" not in again.out
        assert "open http://127.0.0.1:" in again.out


def test_without_its_extra_the_command_says_what_to_install(folders, monkeypatch):
    monkeypatch.setattr("federation.cli.dashboard.find_spec", lambda name: None)
    found = opened(folders, "--identity", folders.analyst("analyst"))
    assert (found.code, "pip install 'crossward[dashboard]'" in found.err) == (2, True)


def test_an_analyst_whom_the_sites_have_removed_since(folders, monkeypatch):
    from federation.consortium import consortium_file

    present = consortium_file.load_consortium(folders.consortium)
    without = present.file.model_copy(update={"analysts": {}})
    monkeypatch.setattr(consortium_file, "load_consortium", lambda path: dc.replace(present, file=without))
    found = opened(folders, "--identity", folders.analyst("analyst"))
    assert found.code == 1
    assert "it is not the one in the consortium file" in found.err
    assert "open http" not in found.out
