"""The rehearsal as its users walk it: start, see what was guessed, correct, start again; then a charge binds."""

import shutil

from federation.consortium.site_file import load_site
from federation.node.ledger.storage import ledger_file
from tests.cli.conftest import crossward, make_folder
from tests.operations.operations_world import SITES, asked, kinds, running, whole

PRIVATE = "SELECT AVG(chol) AS chol FROM visits"
GUESSED = "upper = 700, resolution = 1, guessed = true"
CORRECTED = "upper = 800, resolution = 1"


def private(folders):
    return crossward("query", "-c", folders.consortium, PRIVATE, "--epsilon", "1")


def test_what_was_guessed_is_corrected_after_the_first_start_and_a_charge_ends_that(tmp_path):
    folders = make_folder(tmp_path / "here")
    before = folders.consortium.read_text()
    key = (folders.ledger("bert").parent / "site.key", folders.ledger("anna").parent / "site.key")
    with running(folders):
        assert "guessed" in private(folders).err
    secrets = [path.read_bytes() for path in key]
    assert GUESSED in before
    folders.consortium.write_text(before.replace(GUESSED, CORRECTED))
    doctor = crossward("doctor", "-c", folders.consortium, "--site", folders.site("bert"))
    assert "the next start begins the ledger of the corrected consortium file" in doctor.out
    assert "column chol: bounds widened from 0 to 700 into 0 to 800" in doctor.out
    with running(folders):
        assert private(folders).code == 0
        asked(folders)
    for site in SITES:
        (kept,) = folders.ledger(site).parent.glob("ledger_kept_*.sqlite")
        assert kinds(kept) == ["genesis"]
        assert kinds(folders.ledger(site)) == ["genesis", "charge", "exact"]
    whole(*(folders.ledger(site) for site in SITES))
    assert [path.read_bytes() for path in key] == secrets  # the rows that count stay the same
    log = (folders.logs / "bert.log").read_text()
    assert "corrected before the first charge" in log

    corrected = folders.consortium.read_text()
    folders.consortium.write_text(corrected.replace("upper = 800", "upper = 900"))
    held = {site: folders.ledger(site).read_bytes() for site in SITES}
    ran = crossward("up", folders.root, "--detach")
    assert ran.code == 1
    assert "its ledger holds the charge entry 1" in ran.err
    assert "bounds widened from 0 to 800 into 0 to 900" in ran.err
    assert not list(folders.pids.glob("*.pid"))
    assert {site: folders.ledger(site).read_bytes() for site in SITES} == held
    copies = ledger_file(load_site(folders.site("anna"))).parent / "agreements"
    (copy,) = (path for path in copies.glob("*.toml") if path.read_text() == corrected)
    assert str(copy) in ran.err
    shutil.copy(copy, folders.consortium)
    with running(folders):
        asked(folders)
    assert kinds(folders.ledger("carl")) == ["genesis", "charge", "exact", "exact"]
