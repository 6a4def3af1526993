import os
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from federation.errors import ConfigError
from federation.identity.authority import Authority, in_memory_identity
from federation.identity.certificates import Identity, read_private, write_private
from smpc.transport.wire.peer_identity import ROLES, Trust, peer_name
from smpc.transport.wire.tls_contexts import client_context, server_context

NOW = datetime(2030, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority():
    return Authority.create("demo")


def stored(folder, pem, mode=0o600):
    path = folder / "who.pem"
    path.write_bytes(pem)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("role", ROLES)
def test_setup_identity_round_trip(authority, tmp_path, role):
    who = Identity.load(stored(tmp_path, authority.issue("st-mary_1", role)))
    assert (who.name, who.role) == ("st-mary_1", role)
    der = x509.load_pem_x509_certificate(who.certificate_pem).public_bytes(serialization.Encoding.DER)
    assert peer_name(der).fingerprint == who.fingerprint
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(who.public_hex)).verify(who.sign(b"entry"), b"entry")


def test_setup_openssl_itself_accepts_the_chain(authority, tmp_path):
    """The oracle shares no code with ours: the command of another library builds and checks the chain."""
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "leaf.pem").write_bytes(authority.issue("a", "site"))
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    other = Authority.create("demo")
    (tmp_path / "leaf.pem").write_bytes(other.issue("a", "site"))
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "ca.pem", "leaf.pem"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0


def test_setup_no_key_in_repr_or_message(authority, tmp_path):
    pem = authority.issue("a", "site")
    who = Identity.from_pem(pem)
    secret = who.signing_key.private_bytes_raw()
    middle = pem.split(b"PRIVATE KEY-----")[1][5:40].decode()
    for text in (repr(who), str(who), repr(authority)):
        assert secret.hex() not in text
        assert middle not in text
        assert "BEGIN" not in text
    with pytest.raises(ConfigError) as caught:
        Identity.from_pem(pem + pem)
    assert middle not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_setup_key_readable_by_others_is_refused(authority, tmp_path, mode):
    path = stored(tmp_path, authority.issue("a", "site"), mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Identity.load(path)


def test_setup_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        Identity.load(tmp_path / "absent.pem")
    with pytest.raises(ConfigError):
        read_private(tmp_path)


def test_setup_private_files_are_private_from_the_first_byte(tmp_path, monkeypatch):
    modes = []
    real = os.fdopen

    def spy(number, *args, **kwargs):
        modes.append(os.fstat(number).st_mode & 0o777)
        return real(number, *args, **kwargs)

    monkeypatch.setattr(os, "fdopen", spy)
    old = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(old)
    assert modes == [0o600]
    with pytest.raises(ConfigError):
        write_private(tmp_path / "key", b"another")
    assert (tmp_path / "key").read_bytes() == b"secret"


def forged(names, *, key=None, add_names=True):
    """A self-signed certificate with any alternative names, and its key."""
    key = key or Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if add_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None
    if not isinstance(key, Ed25519PrivateKey):
        from cryptography.hazmat.primitives import hashes

        algorithm = hashes.SHA256()
    certificate = builder.sign(key, algorithm)
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


URI = x509.UniformResourceIdentifier
DNS = x509.DNSName


@pytest.mark.parametrize(
    "names",
    [
        [URI("urn:crossward:site:a")],
        [DNS("a")],
        [URI("urn:crossward:site:a"), DNS("b")],
        [URI("urn:crossward:site:a"), URI("urn:crossward:dealer:a"), DNS("a")],
        [URI("urn:crossward:site:a"), DNS("a"), DNS("b")],
        [URI("urn:crossward:root:a"), DNS("a")],
        [URI("urn:crossward:site:A"), DNS("A")],
        [URI("urn:other:site:a"), DNS("a")],
    ],
    ids=["no-dns", "no-uri", "differ", "two-roles", "two-names", "unknown-role", "upper-case", "other-urn"],
)
def test_setup_certificate_must_say_one_name_and_role_twice(names):
    with pytest.raises(ConfigError):
        Identity.from_pem(forged(names))


def test_setup_the_forger_itself_makes_what_loads():
    """Otherwise the refusals above would prove nothing."""
    assert Identity.from_pem(forged([URI("urn:crossward:site:a"), DNS("a")])).name == "a"


def test_setup_pem_must_hold_one_certificate_and_its_own_key(authority):
    one, two = authority.issue("a", "site"), authority.issue("a", "site")
    certificate, key = (
        one.split(b"-----BEGIN PRIVATE")[0],
        b"-----BEGIN PRIVATE" + two.split(b"-----BEGIN PRIVATE")[1],
    )
    bad = {
        "another's key": certificate + key,
        "no key": certificate,
        "no certificate": key,
        "two of each": one + two,
        "garbage": b"\x00garbage",
        "empty": b"",
        "broken key": certificate + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "other kind of key": forged(
            [URI("urn:crossward:site:a"), DNS("a")], key=ec.generate_private_key(ec.SECP256R1())
        ),
    }
    for what, pem in bad.items():
        with pytest.raises(ConfigError):
            Identity.from_pem(pem)
            pytest.fail(what)


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a" * 64, "ä", "a\n", "a/b"])
def test_setup_names_are_names(authority, name):
    with pytest.raises(ConfigError):
        authority.issue(name, "site")
    with pytest.raises(ConfigError):
        Authority.create(name)


def test_setup_roles_are_roles(authority):
    with pytest.raises(ConfigError, match="role"):
        authority.issue("a", "admin")


def test_setup_validity_starts_before_now_and_ends():
    authority = Authority.create("demo", now=NOW)
    who = Identity.from_pem(authority.issue("a", "site", now=NOW, days=10))
    assert who.valid_until == NOW + timedelta(days=10)
    assert x509.load_pem_x509_certificate(who.certificate_pem).not_valid_before_utc < NOW


def test_setup_authority_saves_and_loads(authority, tmp_path):
    authority.save(tmp_path)
    assert (tmp_path / "authority.key").stat().st_mode & 0o077 == 0
    again = Authority.load(tmp_path)
    assert again.name == "demo"
    pem = again.issue("late", "site")
    trust = Trust(ca_pem=authority.certificate_pem, roster={})
    path = stored(tmp_path, pem)
    assert isinstance(client_context(trust, path), ssl.SSLContext)
    assert isinstance(server_context(trust, path), ssl.SSLContext)
    Authority.create("demo").save(tmp_path / "other")
    (tmp_path / "authority.pem").write_bytes((tmp_path / "other" / "authority.pem").read_bytes())
    with pytest.raises(ConfigError):
        Authority.load(tmp_path)
    with pytest.raises(ConfigError):
        Authority.load(tmp_path / "nowhere")


def test_setup_leaf_cannot_issue(authority, tmp_path):
    """A member that signs certificates with its own key admits no caller."""
    leaf = Identity.from_pem(authority.issue("mallory", "site"))
    rogue = Authority(name="demo", certificate_pem=leaf.certificate_pem, key=leaf.signing_key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "mid.pem").write_bytes(leaf.certificate_pem)
    (tmp_path / "leaf.pem").write_bytes(rogue.issue("a", "site"))
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "ca.pem", "-untrusted", "mid.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_setup_identities_in_memory_differ():
    one, two = in_memory_identity("a", "site"), in_memory_identity("a", "site")
    assert one.path is None
    assert one.fingerprint != two.fingerprint
