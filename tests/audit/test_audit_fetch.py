"""Who may read request texts over the network: auditors of the consortium file all, an analyst their own, others none."""

import json
import secrets
import shutil
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import crossward
import federation
from federation.audit import fetch, kept_texts
from federation.audit.fetch import fetch_texts
from federation.errors import ConfigError, RequestRejectedError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, write_private
from federation.node.records import request_texts
from federation.processes.launcher import Launcher
from federation.protocol.exchange import call
from federation.protocol.messages import Ack, TextsAnswer, TextsAsk
from federation.protocol.request import request_hash
from tests.cli.conftest import crossward as command
from tests.cli.conftest import make_folder
from tests.operations.operations_world import COUNT, SITES
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})


@pytest.fixture(scope="module")
def session():
    with federation.local(
        dict.fromkeys(SITES, FRAME), schema=tomllib.loads(SCHEMA), deadline_s=10, engine="numpy"
    ) as opened:
        opened.sql(COUNT, epsilon=0.1)
        for node in opened.nodes.values():  # what another analyst has asked
            node._records.texts.keep("ff" * 32, b'{"sql":"theirs"}', analyst="bob", time=1)
        yield opened


def network(session, name, role):
    return session._network._exchange.network(name, role)


def fetched(session, name, role, **changes):
    found = {}
    report = fetch_texts(
        network(session, name, role),
        SITES,
        lambda site, digest, data: found.setdefault(site, {}).update({digest: data}),
        timeout_s=5,
        **changes,
    )
    return found, report


def test_an_auditor_gets_every_text_of_every_site(session):
    found, report = fetched(session, "vera", "auditor")
    assert report.failed == {}
    for site in SITES:
        assert found[site] == session.nodes[site]._records.texts.page().texts
        assert "ff" * 32 in found[site]
        assert report.counts[site] == len(found[site]) == 2


def test_an_analyst_gets_their_own_texts_alone(session):
    """The attack: an analyst asks for another's questions."""
    found, _ = fetched(session, "analyst", "analyst")
    assert all(len(texts) == 1 and "ff" * 32 not in texts for texts in found.values())
    theirs, _ = fetched(session, "bob", "analyst")
    assert all(set(texts) == {"ff" * 32} for texts in theirs.values())
    strangers, report = fetched(session, "mallory", "analyst")
    assert (strangers, report.counts) == ({}, dict.fromkeys(SITES, 0))


@pytest.mark.parametrize("role", ["site", "dealer", "aggregator", "keyholder"])
def test_every_other_member_is_refused(session, role):
    with pytest.raises(RequestRejectedError, match="only an auditor"):
        call(
            network(session, f"a-{role}", role),
            "bert",
            "request",
            TextsAsk(after=0),
            TextsAnswer,
            timeout_s=5,
        )


def test_pages_come_one_after_the_other_and_none_is_lost(session, monkeypatch):
    monkeypatch.setattr(request_texts, "PAGE_TEXTS", 1)
    page = call(
        network(session, "vera", "auditor"), "bert", "request", TextsAsk(after=0), TextsAnswer, timeout_s=5
    )
    assert len(page.texts) == 1
    assert page.next_after is not None
    found, _ = fetched(session, "vera", "auditor")
    assert found["bert"] == session.nodes["bert"]._records.texts.page().texts | found["bert"]
    assert len(found["bert"]) == 2


@pytest.mark.parametrize(
    "pages",
    [
        [TextsAnswer(texts={}, next_after=0)],
        [TextsAnswer(texts={}, next_after=7), TextsAnswer(texts={}, next_after=7)],
        [Ack()],
    ],
)
def test_a_site_that_never_ends_is_left_and_named_and_the_others_are_read(session, monkeypatch, pages):
    handler, answers = session.nodes["bert"]._request_handler, iter(pages)
    monkeypatch.setattr(handler, "_texts", lambda message, channel: next(answers))
    found, report = fetched(session, "vera", "auditor")
    assert set(report.failed) == {"bert"}
    assert set(found) >= {"anna", "carl"}


def test_a_site_that_sends_without_end_is_cut_off(session, monkeypatch):
    monkeypatch.setattr(fetch, "MOST_BYTES", 1000)
    numbers = iter(range(1, 1000))
    monkeypatch.setattr(
        session.nodes["bert"]._request_handler,
        "_texts",
        lambda message, channel: TextsAnswer(
            texts={secrets.token_hex(32): b"x" * 400}, next_after=next(numbers)
        ),
    )
    found, report = fetched(session, "vera", "auditor")
    assert "do not end" in report.failed["bert"]
    assert len(found["bert"]) == 3


def test_what_a_site_sends_is_compared_with_its_hash(session, monkeypatch, tmp_path):
    lie = TextsAnswer(texts={"ab" * 32: b"{}"}, next_after=None)
    monkeypatch.setattr(session.nodes["bert"]._request_handler, "_texts", lambda message, channel: lie)
    found, _ = fetched(session, "vera", "auditor")
    path = tmp_path / "texts.jsonl"
    path.write_text(
        "".join(
            kept_texts.text_line(site, digest, data) + "\n"
            for site, texts in found.items()
            for digest, data in texts.items()
        )
    )
    kept = kept_texts.load_texts([path])
    assert kept.changed["ab" * 32] == ["bert"]
    assert all(request_hash(data) == digest for digest, data in kept.texts.items())


# -- over mutual TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""


def add_auditor(folders, name):
    """An auditor whose certificate the consortium file names; before the first start."""
    path = Path(folders.root) / f"{name}.pem"
    write_private(path, Authority.load(folders.authority).issue(name, "auditor"))
    name_in(folders.consortium, path)
    return path


def name_in(file, path):
    identity = Identity.load(path)
    section = f'[auditors.{path.stem}]\nfingerprint = "{identity.fingerprint}"\n'
    file.write_text(f'{file.read_text()}\n{section}public_key = "{identity.public_hex}"\n')


def forged_copy(folders, path):
    """The attack: an auditor's own copy of the consortium file, which names them."""
    file = shutil.copytree(folders.root, path.parent / "forged") / folders.consortium.name
    name_in(file, path)
    return file


def test_texts_over_tls_for_an_auditor_of_the_file_and_for_no_other(tmp_path):
    folders = make_folder(tmp_path / "there")
    vera = add_auditor(folders, "vera")
    stranger = tmp_path / "victor.pem"  # the authority has signed it, the members have not
    write_private(stranger, Authority.load(folders.authority).issue("victor", "auditor"))
    out, none = tmp_path / "texts.jsonl", tmp_path / "none.jsonl"
    with Launcher(folders):
        asked = command("query", "-c", folders.consortium, COUNT, "--epsilon", "0.5", "--json")
        assert asked.code == 0, asked.err
        for exact in (COUNT, "SELECT COUNT(*) AS n FROM visits WHERE sex = 1"):
            assert command("query", "-c", folders.consortium, exact, "--exact").code == 0
        refused = command("query", "-c", folders.consortium, COUNT, "--epsilon", "3")
        assert refused.code == 3
        told = command("audit", "texts", "-c", folders.consortium, "--identity", vera, "--out", out)
        assert (told.code, told.err) == (0, "")
        assert "anna: 3 request text(s)" in told.out
        wrong = command("audit", "texts", "-c", folders.consortium, "--identity", stranger, "--out", none)
        assert wrong.code == 1
        assert "is not the certificate that the consortium file names for victor" in wrong.err
        assert not none.exists()
        forged = forged_copy(folders, stranger)
        wrong = command("audit", "texts", "-c", forged, "--identity", stranger, "--out", none)
        assert wrong.code == 1
        assert wrong.out.count("INCOMPLETE") == 3
        assert none.read_text() == ""
        own = tmp_path / "own.jsonl"
        assert command("audit", "texts", folders.site("anna"), "--out", own).code == 0
        shown = command(
            "audit", "statement", folders.ledger("anna"), "--csv"
        )  # the text lies beside the ledger
        assert '"SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex",kept,0.5' in shown.out
        refusals = command("audit", "refusals", folders.site("anna"), "--json")
        (row,) = json.loads(refusals.out)["refusals"]
        assert row["code"] == "PolicyRefusedError"
        told = command("audit", "differences", folders.site("anna"))  # while the node runs
        assert "1 pair(s) of exact answers compared" in told.out, told.err
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["site"] for line in lines] == [site for site in SITES for _ in range(3)]
    assert own.read_text().splitlines() == out.read_text().splitlines()[:3]
    line = crossward.audit.statement(
        folders.ledger("bert"), texts=[out], consortium=folders.consortium
    ).lines[1]
    assert (line.epsilon, line.text) == ("0.5", "kept")
    assert line.accuracy.startswith("n ± ")
    for wrong in ((), (folders.site("anna"), "-c", folders.consortium)):
        assert command("audit", "texts", "--out", out, *wrong).code == 2
    node = folders.site_identity("anna")
    assert command("audit", "texts", "-c", folders.consortium, "--identity", node, "--out", out).code == 1
    with pytest.raises(ConfigError):
        crossward.audit.fetch_texts(folders.consortium, out, identity=node)
