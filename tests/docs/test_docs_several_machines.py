"""The page on several machines: its commands run in order, each member in a folder of its own, with real nodes."""

import configparser
import csv
import itertools
import json
import re
import shlex
import shutil
import tomllib

import pytest
import scipy.stats

from federation.consortium.site_file import SiteFile
from federation.setup.free_ports import free_ports
from tests.cli.conftest import crossward
from tests.docs.machines import COMMAND, HEART, MACHINES, PAGE, ROOT, Machines, check_keys_stayed, section
from tests.setup.founding_world import World

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


COUNT = "SELECT COUNT(*) AS n FROM patients"


@pytest.fixture
def machines(tmp_path):
    made = Machines(tmp_path)
    yield made
    made.stop()


@pytest.mark.timeout(600)  # some 20 s alone, of which a busy machine makes minutes
def test_the_commands_of_the_page_lead_three_machines_to_a_joint_answer_and_a_fourth_joins(
    machines, monkeypatch
):
    commands = COMMAND.findall(PAGE.read_text("utf-8"))
    counts = {name: sum(machine == name for machine, _ in commands) for name in MACHINES}
    assert set(counts) == {machine for machine, _ in commands}
    assert max(counts.values()) <= 5
    for name, line in commands:
        machines.run(name, line, monkeypatch)
    asked = crossward("query", "-c", "auditor/consortium.toml", COUNT, "--epsilon", "1")
    assert asked.code == 1
    assert "only an analyst can send this message; nothing was spent" in asked.err
    assert "ledger entry 1, signed by anna, bert, carl" in machines.answer
    check_keys_stayed(machines.root)
    join_a_fourth(machines, monkeypatch)


def join_a_fourth(machines, monkeypatch):
    machines.join("dora")
    for name, line in section("A site that joins after the first charge"):
        machines.type(name, line, monkeypatch)
    machines.wait_ready()
    root = machines.root
    monkeypatch.chdir(root / "ada")
    assert not (root / "ada" / "analyst" / "members.json").exists()
    answer = crossward("query", "-c", "analyst/consortium.toml", COUNT, "--epsilon", "0.5", "--json")
    assert answer.code == 0, answer.err
    assert (root / "ada" / "analyst" / "members.json").exists()  # fetched from a site
    machines.send_members()
    found = json.loads(answer.out)
    assert found["receipt"]["number"] == 3
    assert abs(found["rows"][0][0] - 4 * 303) < 12 * 40  # the noise of four
    files = [root / name / "site" / "state" / "ledger.sqlite" for name in ("anna", "bert", "carl", "dora")]
    verified = crossward("audit", "verify", "-c", root / "vera" / "auditor", *files)
    assert verified.code == 0, verified.out + verified.err
    told = crossward("audit", "statement", "-c", root / "vera" / "auditor", files[0], "--csv").out
    _, first, entry, second = csv.DictReader(told.splitlines())
    assert entry["remark"] == "add dora; sequencer anna; members anna, bert, carl, dora"
    deviation = first["accuracy"].removeprefix("n ± ")
    assert f" {deviation} " in machines.answer  # as the answer of three sites stated it, and not that of four
    assert second["accuracy"].startswith("n ± ")
    check_keys_stayed(root, among=("anna", "bert", "carl", "dora", "ada", "vera"))
    monkeypatch.chdir(root / "anna")
    doctor = crossward("doctor", "-c", "site/consortium.toml", "--site", "site/site.toml")
    assert [line for line in doctor.out.splitlines() if line.startswith("FIX")] == []
    monkeypatch.chdir(root / "ada")
    exact_answers_of_four()


def exact_answers_of_four():
    """A group-by and a statistic by its name, opened among the three old sites and the new one."""
    by_sex = "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"
    ran = crossward("query", "-c", "analyst/consortium.toml", by_sex, "--exact", "--json")
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)["rows"]
    assert [n for _, n in sorted(rows, key=lambda row: str(row[0]))] == [4 * 97, 4 * 206]
    by_name = ("stats", "t_test", "column=age", "by=sex", "-c", "analyst/consortium.toml")
    ran = crossward(*by_name, "--table", "patients", "--exact", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["receipt"]["signed_by"] == ["anna", "bert", "carl", "dora"]
    rows = [line.split(",") for line in (HEART / "cleveland.csv").read_text().splitlines()[1:]]
    ages = [[float(row[0]) for row in rows for _ in range(4) if float(row[1]) == sex] for sex in (0, 1)]
    expected = scipy.stats.ttest_ind(*ages, equal_var=False).statistic
    assert abs(found["statistic"]) == pytest.approx(abs(expected), rel=1e-6)


def test_the_commands_in_blocks_have_their_options():
    """What is typed later than the beginning; tests/setup/several_machines/test_correcting.py walks through it."""
    found = [
        shlex.split(line.split("$ crossward ", 1)[1])
        for kind, block in BLOCK.findall(PAGE.read_text("utf-8"))
        if kind == "console"
        for line in block.splitlines()
        if "$ systemctl " not in line
    ]
    assert len(found) > 8
    for words in found:
        ran = crossward(*itertools.takewhile(lambda word: not word.startswith("--"), words), "--help")
        assert ran.code == 0, words
        for option in (word for word in words if word.startswith("--")):
            assert option in ran.out, words


def test_every_block_of_the_page_is_read_by_its_reader():
    blocks = dict(BLOCK.findall(PAGE.read_text("utf-8")))
    listen = tomllib.loads(blocks["toml"])
    assert set(listen) <= set(SiteFile.model_fields)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(blocks["ini"])
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/crossward")
    assert crossward(*words[:2], "--help").code == 0
    assert unit["Service"]["User"] == "crossward"
    assert words[2].startswith(unit["Service"]["ReadWritePaths"])


@pytest.mark.parametrize("command", ["found", "invite", "join", "collect", "admit", "sign", "begin"])
def test_every_command_of_the_founding_is_on_the_page(command):
    assert f"crossward {command} " in PAGE.read_text("utf-8")
    assert crossward(command, "--help").code == 0


def listed_files(section):
    page = (ROOT / "docs" / "wire-format.md").read_text("utf-8").split(f"## {section}")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(crossward/[\w/-]+)` \| [^|]+ \| ([\w, ]+) \|", page, re.MULTILINE))


def test_every_file_of_a_later_change_is_listed_with_its_fields():
    from federation.consortium.admission.admissions import Admission
    from federation.consortium.members_file import write_members
    from federation.setup.several_machines.enrolling import Enrolment
    from federation.setup.several_machines.renewing import Renewal, RenewedCertificate

    files = [
        Admission(agreement=b"{}\n", members=b"", certificate=b"x", address="d.example:1"),
        Enrolment(chain="c0" * 32, name="eva", role="analyst", request=b"x", made=1, signature="ab" * 64),
        Renewal(chain="c0" * 32, name="bert", request=b"x", made=1, signature="ab" * 64),
        RenewedCertificate(chain="c0" * 32, certificate=b"x"),
    ]
    found = [json.loads(each) for each in (*(file.to_bytes() for file in files), write_members([]))]
    listed = {name: set(fields.split(", ")) for name, fields in listed_files("10. Files of later").items()}
    assert {each.pop("format"): set(each) for each in found} == listed


def test_every_file_of_a_founding_is_listed_with_its_fields(tmp_path):
    """The page on the formats against the files of a founding that was run."""
    world = World(root=tmp_path)
    world.to_agreement()
    listed = listed_files("9. Files of a founding")
    found = {}
    for path in world.exchanged():
        content = json.loads(path.read_bytes())
        name = content.pop("format")
        found[name] = set(content)
    assert found == {name: set(fields.split(", ")) for name, fields in listed.items()}


@pytest.mark.slow
def test_the_commands_of_the_page_bring_back_a_site_whose_disk_is_lost(tmp_path, monkeypatch):
    machines = Machines(tmp_path)
    try:
        for name, line in COMMAND.findall(PAGE.read_text("utf-8")):
            machines.run(name, line, monkeypatch)
        machines.end("bert")
        shutil.rmtree(tmp_path / "bert" / "site")
        machines.addresses["bert2.example:7843"] = f"127.0.0.1:{free_ports(1)[0]}"
        for name, line in section("A site whose machine and key are lost"):
            machines.type(name, line, monkeypatch)
        machines.run("anna", "ledger approve site/site.toml new-bert.json", monkeypatch)
        machines.restart("anna")
        machines.run("bert", "site serve site/site.toml", monkeypatch)
        for name in ("bert", "carl"):
            machines.run(name, "ledger approve site/site.toml new-bert.json", monkeypatch)
        machines.run("ada", "ledger apply new-bert.json -c analyst/consortium.toml", monkeypatch)
        for name in ("anna", "carl"):
            machines.restart(name)
        machines.wait_ready()
        machines.send_members()
        monkeypatch.chdir(tmp_path / "ada")
        answer = crossward("query", "-c", "analyst/consortium.toml", COUNT, "--epsilon", "0.5", "--json")
        assert answer.code == 0, answer.err
        assert json.loads(answer.out)["receipt"]["signed_by"] == ["anna", "bert", "carl"]
    finally:
        machines.stop()
    files = [tmp_path / name / "site" / "state" / "ledger.sqlite" for name in ("anna", "bert", "carl")]
    verified = crossward("audit", "verify", *files)
    assert verified.code == 0, verified.out + verified.err
