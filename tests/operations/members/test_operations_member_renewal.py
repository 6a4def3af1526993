"""An analyst and the dealer renew their keys while the nodes run: typed as they do, two amendments at once among them."""

import json
import shutil
import time

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.identity.certificates import Identity
from tests.cli.conftest import crossward, make_folder
from tests.operations.members.test_operations_members import approve, done, newcomer, question
from tests.operations.operations_world import SITES, asked, kinds, ledger, running, whole

PRIVATE = "SELECT COUNT(*) AS n FROM visits"


def prepared(folders, path, member, name):
    """Key made, certified and kept: nothing is changed yet."""
    request, certificate = path / f"{name}.renewal.json", path / f"{name}.certificate.json"
    done("renew", member, "--out", request)
    done("certify", folders.root, request, "--out", certificate)
    assert "renew-member" in done("renew", member, "--certificate", certificate)
    return certificate


def proposed(folders, certificate, out):
    said = done(
        "ledger", "propose", "renew-member", folders.site("anna"), "--certificate", certificate, "--out", out
    )
    assert "renew the key of" in said
    return out


def private(folders):
    ran = crossward("query", "-c", folders.consortium, PRIVATE, "--epsilon", "0.5", "--json")
    assert (ran.code, ran.err) == (0, ""), ran
    return json.loads(ran.out)


def members_file(folders, entries):
    path, ends_at = folders.root / "members.json", time.monotonic() + 20
    while not (path.exists() and len(json.loads(path.read_text())["entries"]) >= entries):
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    return path


@pytest.mark.slow
def test_an_analyst_whose_answers_stay_free_from_the_store_and_the_dealer_renew_their_keys(tmp_path):
    folders = make_folder(tmp_path / "here", analysts=("ada",))
    ada, dealer = folders.root / "analysts" / "ada.pem", folders.helper_file("dealer")
    before, dealer_before = Identity.load(ada), Identity.load(folders.helper("dealer"))
    old = newcomer(folders, tmp_path / "old")
    (old / "analysts").mkdir()
    shutil.copy(ada, old / "analysts" / "ada.pem")
    with running(folders):
        asked(folders)
        paid = private(folders)
        of_ada = proposed(folders, prepared(folders, tmp_path, ada, "ada"), tmp_path / "ada.json")
        of_dealer = proposed(folders, prepared(folders, tmp_path, dealer, "dealer"), tmp_path / "dealer.json")
        asked(folders)  # nothing is changed yet
        for amendment in (of_ada, of_dealer):
            approve(folders, amendment, *SITES)
        applied = ledger("apply", of_ada, "-c", folders.consortium)
        assert (applied.code, applied.err) == (0, "")
        ran = ledger(
            "apply", of_dealer, "-c", folders.consortium
        )  # approved by all, on a basis that has moved
        assert ran.code != 0
        members_file(folders, 1)
        ran = ledger("apply", of_dealer, "-c", folders.consortium)
        assert "out of date" in ran.err
        asked(folders)  # ada with the new key; no node was restarted
        assert Identity.load(ada).public_hex != before.public_hex
        again = private(folders)
        assert again["receipt"]["from_store"]["releases"][0]["number"] == paid["receipt"]["number"]
        for _ in range(2):
            ran = question(old)
            assert ran.code != 0
            assert "identity not in the roster" in ran.err
        of_dealer.unlink()
        proposed(folders, tmp_path / "dealer.certificate.json", of_dealer)
        approve(folders, of_dealer, *SITES)
        applied = ledger("apply", of_dealer, "-c", folders.consortium)
        assert (applied.code, applied.err) == (0, "")
        assert "Restart the dealer" in applied.out
        members_file(folders, 2)
    with running(folders):
        asked(folders)
    after = Identity.load(folders.helper("dealer"))
    assert after.public_hex != dealer_before.public_hex
    roles = load_consortium(folders.consortium).roles()
    assert roles.keys == {"ada": Identity.load(ada).public_hex, "dealer": after.public_hex}
    assert kinds(folders.ledger("carl")).count("role") == 2
    whole(*(folders.ledger(site) for site in SITES))
    assert len(list(ada.parent.glob("ada.*.pem"))) == 1  # the earlier one is kept
