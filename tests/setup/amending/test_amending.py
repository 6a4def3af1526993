"""The agreement is amended after the first charge, on the sites' own machines: approval, entry, restart; a stop at any file."""

import contextlib
import json
import re
import shutil

import pytest

from federation.client.connect import fetch_changes
from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import Amendment
from federation.consortium.consortium_file import load_consortium
from federation.consortium.members_file import write_members
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.node.ledger.present_members import in_force, publish_members
from federation.node.site_process import open_sources
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from tests.cli.conftest import crossward
from tests.setup.founding_world import World, copied
from tests.setup.several_machines.test_correcting import SITES, _one_guess, started_once
from tests.setup.several_machines.test_founding_faults import MOST_STEPS, KilledError, Power
from tests.setup.several_machines.test_joining_later import config_of, entered, state_of

__all__ = ["_one_guess"]  # a fixture of the whole module
OLDER = '[tables.patients.columns]\nold = { type = "boolean" }\n'
VIEW = "SELECT *, as_number(age) > 60 AS old FROM source"


@pytest.fixture(scope="module")
def charged(tmp_path_factory):
    """Anna and bert have answered a question; both files give the column that is to come."""
    world = World(root=tmp_path_factory.mktemp("charged"))
    world.to_end()
    started_once(world, charged=SITES)
    for name in SITES:
        give(world, name)
    return world


@pytest.fixture
def world(charged, tmp_path):
    return copied(charged, tmp_path)


def site_file(world, name):
    return world.folder(name) / "site.toml"


def give(world, name, text=VIEW):
    path = site_file(world, name)
    found = re.sub(r'^view = (""".*?"""|.*?)$\n', "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    path.write_text(found.replace("[tables.patients]\n", f"[tables.patients]\nview = {json.dumps(text)}\n"))


def take(world, name):
    give(world, name, "SELECT * FROM source")


def propose(world, terms=OLDER, *, out="old.json"):
    file, path = world.root / "terms.toml", world.root / out
    file.write_text(terms)
    ran = crossward(
        "ledger", "propose", "change-agreement", site_file(world, "anna"), "--terms", file, "--out", path
    )
    assert (ran.code, ran.err) == (0, ""), ran
    return path


def approve(world, name, path):
    return crossward("ledger", "approve", site_file(world, name), path)


def columns_of(consortium):
    return list(consortium.schema.tables["patients"].columns)


def amended(world, terms=OLDER):
    """All have approved and signed; no node has been restarted."""
    path = propose(world, terms)
    for name in SITES:
        assert approve(world, name, path).code == 0
    amendment = Amendment.from_bytes(path.read_bytes())
    entered(world, amendment, SITES)
    return amendment


def test_after_the_entry_a_site_starts_with_the_new_schema_from_its_own_ledger_alone(world):
    before = columns_of(config_of(world, "bert").consortium)
    amendment = amended(world)
    config = config_of(world, "bert")
    assert columns_of(config.consortium) == before  # no members.json yet: the node has not run since
    now = in_force(config)
    assert columns_of(now.consortium) == [*before, "old"]
    assert now.consortium.configuration() == amendment.content.after
    sources = open_sources(now)
    assert "old" in [each.name for each in sources["patients"].report.columns]
    for source in sources.values():
        source.close()


def test_a_site_without_the_column_is_named_to_its_administrator_and_nothing_is_approved(world):
    path = propose(world)
    take(world, "bert")
    ran = approve(world, "bert", path)
    assert ran.code != 0
    assert "column old: is missing from the site's view" in ran.err
    assert Approvals(config_of(world, "bert").consents).all() == []
    give(world, "bert")
    ran = approve(world, "bert", path)
    assert "patients: column old added: boolean" in ran.out
    assert "answers released before are not used again" in ran.out
    assert Approvals(config_of(world, "bert").consents).all() != []


def test_a_new_table_needs_its_file_and_is_awaited_until_the_entry(world):
    table = '[tables.visits]\npopulation = "patients"\nprivacy_unit = "row"\nrows_max = 900\n[tables.visits.columns]\nage = { type = "numeric", lower = 0, upper = 130, resolution = 1 }\n'
    lines = f"\n[tables.visits]\nsource = {json.dumps(str(world.data('anna')))}\n"
    text = site_file(world, "anna").read_text()
    site_file(world, "anna").write_text(text + lines)
    with pytest.raises(ConfigError, match="visits is not in the consortium's schema"):
        load_site(site_file(world, "anna"))
    site_file(world, "anna").write_text(text + lines + "awaited = true\n")
    assert "visits" not in open_sources(config_of(world, "anna"))
    path = propose(world, table)
    assert approve(world, "anna", path).code == 0
    ran = approve(world, "bert", path)
    assert ran.code != 0
    assert "tables: visits is missing" in ran.err
    assert Approvals(config_of(world, "bert").consents).all() == []


def test_attack_a_narrower_domain_written_by_hand_is_approved_nowhere(world):
    state = state_of(world)
    schema = config_of(world, "anna").consortium.schema
    column = dict(schema.tables["patients"].columns["age"].to_dict())
    column["upper"] = str(int(column["upper"]) - 1)
    column["bins"] = []
    terms = json.dumps(
        {"tables": {"patients": {"columns": {"age": column}}}}, sort_keys=True, separators=(",", ":")
    )
    bad = Amendment(chain=state.chain, basis=0, content=AgreementChange(before=state.chain, terms=terms))
    path = world.root / "bad.json"
    path.write_bytes(bad.to_bytes())
    ran = approve(world, "bert", path)
    assert ran.code != 0
    assert "its bounds cannot become narrower" in ran.err
    assert Approvals(config_of(world, "bert").consents).all() == []


def test_attack_an_amendment_of_another_consortium_or_of_an_earlier_agreement_is_refused(world, tmp_path):
    first, second = propose(world), propose(world, "minimum_cell = 20\n", out="cell.json")
    stranger = json.loads(first.read_bytes())
    stranger["chain"] = "ab" * 32
    path = world.root / "stranger.json"
    path.write_bytes(json.dumps(stranger, sort_keys=True, separators=(",", ":")).encode())
    assert "for another consortium" in approve(world, "bert", path).err
    for name in SITES:
        for each in (first, second):  # two at once: both were approved on the same agreement
            assert approve(world, name, each).code == 0
    entered(world, Amendment.from_bytes(first.read_bytes()), SITES)
    for each in (first, second):
        ran = approve(world, "bert", each)
        assert ran.code != 0
        assert "out of date" in ran.err
    again = Amendment.from_bytes(propose(world, "minimum_cell = 20\n", out="again.json").read_bytes())
    assert again.basis == 2
    entered(world, again, SITES)
    assert "out of date" in approve(world, "bert", first).err  # the earlier one after a later one
    now = in_force(config_of(world, "bert")).consortium
    assert (now.file.minimum_cell, columns_of(now)[-1]) == (20, "old")


def test_an_approval_that_was_killed_at_any_file_runs_again(charged, tmp_path):
    for at in range(1, MOST_STEPS):
        world = copied(charged, tmp_path / f"{at}")
        path = propose(world)
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, at=at)
            try:
                approved = approve(world, "bert", path).code == 0
            except KilledError:
                approved = False
        if power.count < at:
            assert approved
            assert at > 1
            return
        assert in_force(config_of(world, "bert")).consortium.amendments == ()  # nothing has changed
        assert approve(world, "bert", path).code == 0
        approvals = Approvals(config_of(world, "bert").consents)
        assert [each.to_bytes() for each in approvals.all()] == [path.read_bytes()]
    pytest.fail("the step has more files than the walk")


def test_the_entries_are_handed_on_whole_or_not_at_all(charged, tmp_path):
    """The file that a site writes, and the one that an analyst fetches: killed at any name."""
    world = copied(charged, tmp_path / "world")
    amended(world)
    config, state = config_of(world, "bert"), state_of(world, "bert")
    ada = tmp_path / "ada"
    ada.mkdir()
    for name in ("consortium.toml", "authority.pem"):
        shutil.copy(world.folder("bert") / name, ada / name)
    data = write_members(state.member_entries)
    steps = {
        world.folder("bert"): lambda: publish_members(config, site_file(world, "bert"), state),
        ada: lambda: fetch_changes(ada, data),
    }
    for folder, step in steps.items():
        for at in range(1, MOST_STEPS):
            (folder / "members.json").unlink(missing_ok=True)
            with pytest.MonkeyPatch.context() as patch:
                power = Power(patch, at=at)
                with contextlib.suppress(KilledError):
                    step()
            if power.count < at:
                assert at > 1
                break
            assert load_consortium(folder / "consortium.toml").amendments == ()
            step()
            assert columns_of(load_consortium(folder / "consortium.toml"))[-1] == "old"
    assert not fetch_changes(ada, data)  # nothing newer
    assert not fetch_changes(ada, b"")


@pytest.mark.parametrize("how", ["a signature less", "another consortium", "not a file"])
def test_attack_what_a_site_sends_is_kept_only_with_all_signatures(world, tmp_path, how):
    amended(world)
    entries = state_of(world, "bert").member_entries
    data = write_members(entries)
    if how == "a signature less":
        body = json.loads(data)
        entry = json.loads(body["entries"][0])
        entry["signatures"].pop("anna")
        body["entries"] = [json.dumps(entry, sort_keys=True, separators=(",", ":"))]
        data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    elif how == "another consortium":
        data = data.replace(entries[0].body.chain.encode(), b"ab" * 32)
    else:
        data = b"{}" * 40
    folder = world.folder("ada")
    with pytest.raises(ConfigError):
        fetch_changes(folder, data)
    assert not (folder / "members.json").exists()
    assert columns_of(load_consortium(folder))[-1] != "old"


def test_a_site_that_joins_after_the_amendment_is_admitted_under_it(world):
    from federation.consortium.admission.admissions import Admission
    from tests.setup.several_machines.test_joining_later import admit, invite

    amended(world)
    invite(world)
    world.join("dora")
    admit(world)
    file = world.folder("anna") / "dora.admission.json"
    admitted = Admission.from_bytes(file.read_bytes()).check()
    assert columns_of(admitted.joined)[-1] == "old"
    assert admitted.joined.configuration() != admitted.joined.digest()
