"""A site renews its key and certificate: typed as its administrators do, with real nodes, and stopped at any step."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, trust_of, write_private
from federation.identity.signing_request import new_key, signing_request
from federation.node.ledger.present_members import take_renewed
from federation.setup.several_machines import renewing
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import PeerName, check_peer
from tests.cli.conftest import crossward, make_folder
from tests.operations.operations_world import SITES, ask, asked, kinds, ledger, running, whole
from tests.setup.several_machines.test_founding_faults import KilledError, Power


def done(*arguments):
    ran = crossward(*arguments)
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("renewal") / "here")


@pytest.fixture
def folders(tmp_path):
    return make_folder(tmp_path / "here")


def prepared(folders, tmp_path, site="bert"):
    """Key made, certified and kept: nothing is changed yet."""
    request, certificate = tmp_path / "renewal.json", tmp_path / "certificate.json"
    done("renew", folders.site(site), "--out", request)
    done("certify", folders.root, request, "--out", certificate)
    done("renew", folders.site(site), "--certificate", certificate)
    return certificate


@pytest.mark.slow
@pytest.mark.parametrize("site", ["bert", "anna"])
def test_a_site_renews_its_key_and_all_go_on(folders, tmp_path, site):
    before = Identity.load(folders.site_identity(site))
    with running(folders):
        asked(folders)
    certificate = prepared(folders, tmp_path, site)
    amendment = tmp_path / "renew.json"
    with running(folders):
        asked(folders)
        done(
            "ledger",
            "propose",
            "renew-site",
            folders.site("carl"),
            "--certificate",
            certificate,
            "--out",
            amendment,
        )
        for each in SITES[:2]:
            assert f"renew the key of {site}" in done("ledger", "approve", folders.site(each), amendment)
        ran = ledger("apply", amendment, "-c", folders.consortium)
        assert ran.code == 3
        assert "carl" in ran.err
        asked(folders)  # nothing was changed
        done("ledger", "approve", folders.site("carl"), amendment)
        assert "restart all nodes" in done("ledger", "apply", amendment, "-c", folders.consortium)
        refused = ask(folders)
        assert refused.code != 0
        assert f"the key of {site} was renewed: restart this node" in refused.err
    with running(folders):
        asked(folders)
        doctor = crossward("doctor", "-c", folders.consortium, "--site", folders.site(site)).out
        assert f"ok  certificate of site {site}: valid until" in doctor
        assert [line for line in doctor.splitlines() if line.startswith("FIX")] == [
            line for line in doctor.splitlines() if line.startswith("FIX schema of visits: guessed: chol")
        ]
    after = Identity.load(folders.site_identity(site))
    assert after.public_hex != before.public_hex
    assert not load_site(folders.site(site)).next_identity.exists()
    kept = folders.site_identity(site).with_suffix(f".{before.fingerprint[:8]}.pem")
    assert Identity.load(kept).public_hex == before.public_hex
    assert kinds(folders.ledger("carl")) == ["genesis", "exact", "exact", "exact", "members", "exact"]
    whole(*(folders.ledger(each) for each in SITES))
    consortium = load_consortium(folders.consortium)
    assert consortium.renewed == {site: after.public_hex}
    assert consortium.digest() == load_site(folders.site(site)).consortium.digest()
    ran = ledger("approve", folders.site("bert"), amendment)
    assert "out of date" in ran.err


def test_only_the_site_that_made_the_key_has_it_and_no_other_approves_for_it(made, tmp_path):
    """An amendment with a key that its site did not make: that site's administrator is stopped."""
    config = load_site(made.site("bert"))
    with pytest.raises(ConfigError, match="bert holds no such key"):
        renewing.check_holds_key(config, "bert", "ab" * 32)
    renewing.check_holds_key(config, "anna", "ab" * 32)  # anna's own approval checks that


def renewal_of(folders, site="bert", *, key=None, now=None, **changes):
    signer = Identity.load(folders.site_identity(key or site))
    consortium = load_consortium(folders.consortium)
    fresh = tuple(changes.pop("fresh", ())) or None
    from federation.identity.signing_request import load_key

    path = folders.root / f"fresh{time.monotonic_ns()}.key"
    write_private(path, new_key())
    new = fresh[0] if fresh else load_key(path)
    fields = {
        "chain": consortium.digest(),
        "name": site,
        "request": signing_request(new, site),
        "made": int(time.time()) if now is None else now,
    } | changes
    unsigned = renewing.Renewal(**fields)
    return renewing.Renewal(**fields, signature=signer.sign(unsigned.signed_bytes()).hex()).to_bytes()


def refused(text):
    return pytest.raises(FoundingRefusedError, match=text)


def test_the_authority_certifies_only_what_the_present_key_has_signed(made):
    day = 86_400
    own = Identity.load(made.site_identity("bert")).signing_key
    for data, said in (
        (renewal_of(made, key="carl"), "not signed by the key that the members know"),
        (renewal_of(made, chain="ab" * 32), "of another consortium"),
        (renewal_of(made, now=int(time.time()) + day), r"dated 8\d{4} s .*ahead"),
        (renewal_of(made, fresh=(own,)), "for a key that a member has"),
        (renewal_of(made, request=b"x"), "cannot be read"),
        (renewal_of(made)[:-3] + b"0}\n", "not a valid renewal"),
    ):
        with refused(said):
            renewing.certify_renewal(made.root, data)
    data = bytearray(renewal_of(made))
    place = data.index(b'"made":') + 8
    data[place] = ord("0") + (data[place] - ord("0") + 1) % 10
    with refused("not signed by|dated"):
        renewing.certify_renewal(made.root, bytes(data))
    assert renewing.certify_renewal(made.root, renewal_of(made))[1] == "bert"


def certificate_of(made, who="bert", role="site", *, authority=None, key=None, **options):
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    authority = authority or Authority.load(made.authority)
    public = (key or Ed25519PrivateKey.generate()).public_key()
    pem = authority.certify(public, who, role, **options)
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    return renewing.RenewedCertificate(chain=load_consortium(made.consortium).digest(), certificate=der)


def test_a_certificate_by_another_authority_for_another_member_or_that_has_ended_is_refused(made):
    consortium, now = load_consortium(made.consortium), datetime.now(UTC)
    for given, said in (
        (certificate_of(made, authority=Authority.create("trial")), "not by the consortium's authority"),
        (certificate_of(made, "ada", "analyst"), "of analyst ada, no site"),
        (certificate_of(made, "zoe"), "of site zoe, no site"),
        (certificate_of(made, now=now - timedelta(days=3), days=2), "has ended or begins later"),
        (certificate_of(made, now=now + timedelta(days=1)), "has ended or begins later"),
        (renewing.RenewedCertificate(chain=consortium.digest(), certificate=b"x"), "cannot be read"),
        (renewing.RenewedCertificate(chain="ab" * 32, certificate=b"x"), "another consortium"),
    ):
        with refused(said):
            renewing.RenewedCertificate.from_bytes(given.to_bytes()).check(consortium)
    tomorrow = certificate_of(made, days=1)
    assert tomorrow.check(consortium)[0] == "bert"
    with refused("not for the key that bert made|asked for no renewal"):
        renewing.install_renewal(made.site("bert"), tomorrow.to_bytes())


def test_a_peer_passes_with_the_renewed_key_and_with_no_other(made):
    renewed = "ab" * 32
    trust = trust_of(load_consortium(made.consortium).with_keys({"bert": renewed}))
    check_peer(PeerName(name="bert", role="site", fingerprint="0" * 64, public_key=renewed), trust)
    before = Identity.load(made.site_identity("bert"))
    check_peer(PeerName(name="bert", role="site", fingerprint=before.fingerprint), trust)
    for peer in (
        PeerName(name="anna", role="site", fingerprint="0" * 64, public_key=renewed),
        PeerName(name="bert", role="dealer", fingerprint="0" * 64, public_key=renewed),
        PeerName(name="bert", role="site", fingerprint="0" * 64, public_key="cd" * 32),
        PeerName(name="bert", role="site", fingerprint="0" * 64, public_key=""),
        PeerName(name="anna", role="site", fingerprint="0" * 64, public_key="none"),
    ):
        with pytest.raises(PeerRejectedError):
            check_peer(peer, trust)


STEPS = ("ask", "keep", "take")


def step(folders, name, files):
    path = folders.site("bert")
    if name == "ask":
        files["request"], files["key"] = renewing.request_renewal(path)
    elif name == "keep":
        files.setdefault("certificate", renewing.certify_renewal(folders.root, files["request"])[0])
        renewing.install_renewal(path, files["certificate"])
    else:
        identity, upcoming = take_renewed(load_site(path), {"bert": files["key"]})
        assert upcoming is None
        files["identity"] = identity


def test_each_step_that_was_killed_at_any_file_runs_again_with_the_same_key(made, tmp_path):
    for name in STEPS:
        for at in range(1, 20):
            folders = make_folder(tmp_path / f"{name}{at}")
            before, files = Identity.load(folders.site_identity("bert")), {}
            for earlier in STEPS[: STEPS.index(name)]:
                step(folders, earlier, files)
            key = files.get("key")
            with pytest.MonkeyPatch.context() as patch:
                power = Power(patch, at=at)
                try:
                    step(folders, name, files)
                except KilledError:
                    pass
                else:
                    assert power.count == at - 1 > 0
                    break
            assert Identity.load(folders.site_identity("bert")).name == "bert"  # whole at every moment
            step(folders, name, files)
            assert key in {None, files["key"]}
            for later in STEPS[STEPS.index(name) + 1 :]:
                step(folders, later, files)
            assert files["identity"].public_hex == files["key"] != before.public_hex
            assert sorted(path.name for path in folders.site("bert").parent.glob(".*")) == []
        else:
            pytest.fail("the step has more files than the walk")


def test_asking_twice_asks_for_the_same_key(tmp_path):
    folders = make_folder(tmp_path / "here")
    first = renewing.request_renewal(folders.site("bert"))[1]
    assert renewing.request_renewal(folders.site("bert"))[1] == first
    assert os.stat(load_site(folders.site("bert")).next_key).st_mode & 0o077 == 0
    ran = crossward("renew", folders.site("bert"))
    assert "give --out" in ran.err
