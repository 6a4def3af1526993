"""The ledger, refusals and score card of a site on this machine; no site is asked, and no page reads a ledger itself."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from federation.audit.account import Account, AskedLine
from federation.dashboard.ledger_view import LedgerView, Reading, _searched
from federation.dashboard.pages.ledger import PER_PAGE
from federation.node.records.refusals import RefusalReport, RefusedRequest
from tests.dashboard.conftest import Browser, fake_state

BAD = "<script>alert(1)</script>"
N = 10_000


class CountedView:
    """A ledger that was read; says how often a page had its lines made again."""

    def __init__(self, lines, **report):
        self.path = SimpleNamespace(name="ledger.sqlite")
        account = Account(owner="anna", lines=tuple(lines), remaining=(), spenders=())
        file = SimpleNamespace(begins=0, entries=len(lines), first_bad=None, reason="", findings=())
        verdict = SimpleNamespace(ok=True, files=(file,), against_consortium=True)
        for name, value in report.items():
            setattr(verdict if hasattr(verdict, name) else file, name, value)
        searched = tuple(map(_searched, lines))
        self.reading = Reading(account=account, report=verdict, time_s=1.0, searched=searched)
        self.is_reading, self.n_looks, self.n_entries = False, 0, 0

    def look(self, wait_s=0.0):
        self.n_looks += 1
        return self.reading

    def entry(self, number):
        self.n_entries += 1
        if number >= N:
            return None
        return SimpleNamespace(hash=bytes(32), signatures={"bert": b"", "anna": b""})


def line(number, **values):
    kind = "exact" if number % 10 == 0 else "charge"
    fields = {
        "analyst": f"analyst{number % 3}",
        "purpose": "study",
        "question": f"SELECT {number}",
        "text": "kept",
    }
    fields |= {"kind": kind, "time": 1_790_000_000 + number, "last_time": 0, "request": "ab" * 32} | values
    return AskedLine(number=number, last=number, **fields)


@pytest.fixture(scope="module")
def view():
    return CountedView([line(number) for number in range(N)])


@pytest.fixture
def browser(view):
    view.n_looks = view.n_entries = 0
    return Browser(fake_state(ledger=view)).sign_in()


def shown(text):
    return text.count('<a href="/ledger/')


def test_ten_thousand_entries_are_paged_and_a_page_looks_once(browser, view):
    first, last = browser.get("/ledger"), browser.get("/ledger?page=200")
    assert (shown(first.text), shown(last.text)) == (PER_PAGE, PER_PAGE)
    assert "page 1 of 200" in first.text
    assert ">9999</a>" in first.text
    assert ">0</a>" in last.text
    assert (view.n_looks, view.n_entries) == (2, 0)
    assert len(first.content) < 60_000
    for page in ("0", "-1", "x", "9" * 30, "201"):
        assert shown(browser.get(f"/ledger?page={page}").text) == PER_PAGE


def test_search_and_kind(browser):
    one = browser.get("/ledger?search=SELECT 7777")
    assert shown(one.text) == 1
    exact = browser.get("/ledger?kind=exact")
    assert "1000 lines" in exact.text
    assert exact.text.count('<span class="badge exact">exact</span>') == PER_PAGE
    assert "0 lines" in browser.get(f"/ledger?search={BAD}").text


def test_an_exact_disclosure_qualifies_every_epsilon(browser):
    assert "epsilon holds given the listed exact disclosures" in browser.get("/ledger").text


def test_an_entry_shows_its_signers_and_that_it_holds(browser, view):
    text = browser.get("/ledger/10").text
    assert "every member has signed it" in text
    assert "anna, bert" in text
    assert "An exact disclosure" in text
    assert view.n_entries == 1
    assert browser.get(f"/ledger/{N + 5}").status_code == 404
    assert browser.get("/ledger/-1").status_code == 404
    assert browser.get("/ledger/1e5").status_code == 404


def test_a_ledger_that_does_not_hold_says_so_on_every_page_of_it():
    view = CountedView([line(0), line(1)], ok=False, entries=1, first_bad=1, reason="its hash differs")
    browser = Browser(fake_state(ledger=view)).sign_in()
    assert "NOT WHOLE" in browser.get("/ledger").text
    assert "does not hold" in browser.get("/ledger/1").text
    assert "every member has signed it" in browser.get("/ledger/0").text


def test_markup_in_a_ledger_is_escaped():
    names = ("analyst", "purpose", "question", "remark", "population", "accuracy")
    view = CountedView([line(0, **dict.fromkeys(names, BAD))])
    browser = Browser(fake_state(ledger=view)).sign_in()
    for text in (browser.get("/ledger").text, browser.get("/ledger/0").text):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


def test_without_a_ledger_the_page_says_how_to_get_one():
    browser = Browser(fake_state()).sign_in()
    assert "--ledger FILE" in browser.get("/ledger").text
    assert browser.get("/ledger/1").status_code == 200


def test_a_ledger_is_read_once_until_its_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"1")
    view = LedgerView(path)
    monkeypatch.setattr(view, "_whole", lambda: Reading(problem=f"reading {view.n_readings}"))
    assert [view.look(5.0).problem for _ in range(3)] == ["reading 0"] * 3
    path.write_bytes(b"22")
    view.look(5.0)
    assert (view.look(5.0).problem, view.n_readings) == ("reading 1", 2)


def test_a_page_does_not_wait_for_a_long_reading(tmp_path, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"1")
    view = LedgerView(path)
    monkeypatch.setattr(view, "_whole", lambda: time.sleep(1.0) or Reading())
    text = Browser(fake_state(ledger=view)).sign_in().get("/ledger").text
    assert "is being read and verified" in text
    assert view.n_readings == 0


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no ledger at all")
    view = LedgerView(path)
    view.look(5.0)
    browser = Browser(fake_state(ledger=view)).sign_in()
    assert 'role="alert"' in browser.get("/ledger").text


def test_what_a_site_refused_is_for_the_administrator_who_named_its_folder(monkeypatch):
    refused = RefusedRequest(
        sender="dora",
        analyst=BAD,
        digest="ab",
        code="X",
        rule=BAD,
        times=3,
        first=1,
        last=2,
        request=BAD.encode(),
    )
    asked = []

    def read(site):
        asked.append(site)
        return RefusalReport(refusals=(refused,) * 300, dropped={}, unsigned=7)

    monkeypatch.setattr("federation.dashboard.pages.refusals.refusals", read)
    assert "when the dashboard is started with" in Browser(fake_state()).sign_in().get("/refusals").text
    assert asked == []
    text = Browser(fake_state(site=Path("here"))).sign_in().get("/refusals").text
    assert "<script>alert" not in text
    assert text.count("not readable by this version") == 200
    assert "300 refused requests are recorded, the newest 200 shown; 7 more" in text


def test_rows_of_a_site_are_counted_only_on_demand_and_only_with_its_folder(monkeypatch):
    counted = []
    monkeypatch.setattr(
        "federation.dashboard.pages.quality.score_cards", lambda site, today: counted.append(site) or []
    )
    without = Browser(fake_state()).sign_in()
    assert "when the dashboard is started with" in without.post("/quality").text
    with_site = Browser(fake_state(site=Path("here"))).sign_in()
    assert "Check the rows" in with_site.get("/quality").text
    assert counted == []
    assert with_site.post("/quality").status_code == 200
    assert counted == [Path("here")]
