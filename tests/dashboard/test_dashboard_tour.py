"""The whole dashboard over four hospitals as processes, as people start it, in a real browser; pictures are kept.

DASHBOARD_PICTURES names the folder; ``make slow-dashboard`` writes dashboard-out.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from federation.processes.launcher import Launcher
from tests.dashboard.in_chromium import chromium, needs_chromium, watched
from tests.federation.hospitals import found

PAGES = (
    "/",
    "/ask",
    "/ask/statistics",
    "/ask/statistics/chi_square",
    "/budget",
    "/ledger",
    "/ledger/1",
    "/mining",
    "/training",
    "/quality",
    "/refusals",
)
LOOKS = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "narrow": {"viewport": {"width": 400, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "twice": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},  # 1280 pixels at 200 %
}
SQL = "SELECT sex, COUNT(*) AS patients, AVG(age) AS mean_age FROM patients GROUP BY sex"


@contextmanager
def dashboard(folders, *options):
    """The command, with the link that it printed."""
    command = [sys.executable, "-c", "from federation.cli import main; main()", "dashboard"]
    command += [
        "-c",
        str(folders.consortium),
        "--identity",
        str(folders.analyst("analyst")),
        *map(str, options),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            if link := re.search(r"open (http://\S+)", line):
                yield link[1]
                break
        else:
            pytest.fail("no link was printed")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        process.stdout.close()


@pytest.fixture(scope="module")
def pictures():
    folder = Path(os.environ.get("DASHBOARD_PICTURES", "dashboard-out"))
    folder.mkdir(exist_ok=True)
    return folder


def sign_in(page, link):
    page.goto(link)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Consortium hospitals").wait_for()


def serious(page):
    """What axe-core finds of weight serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [
        (each["id"], [node["target"] for node in each["nodes"]][:3])
        for each in violations
        if each["impact"] in {"serious", "critical"}
    ]


def ask(page, base):
    page.goto(f"{base}/ask")
    page.get_by_label("Question").fill(SQL)
    page.get_by_label("Epsilon", exact=True).fill("2")
    page.get_by_label("Epsilon", exact=True).press("Tab")
    page.get_by_role("button", name=re.compile("^Run, (and spend epsilon 2|free from my store)$")).wait_for()


def fill_ledger(page, base, pictures):
    """A private answer, a statistic, rules, a training and a refusal."""
    ask(page, base)
    page.screenshot(path=pictures / "price.png", full_page=True)
    page.get_by_role("button", name="Run, and spend").click()
    page.get_by_role("heading", name="Answer").wait_for()
    answer = page.url
    page.goto(f"{base}/mining")
    for name in ("disease", "sex=F", "sex=M"):
        if page.get_by_label(name, exact=True).count():
            page.get_by_label(name, exact=True).check()
    page.get_by_label("Smallest support").fill("0.05")
    page.get_by_label("Smallest confidence").fill("0.05")
    page.get_by_role("button", name="Show plan").click()
    page.get_by_role("button", name="Run, and use one exact disclosure").click()
    page.get_by_role("heading", name="Answer").wait_for()
    rules = page.url
    page.goto(f"{base}/ask")
    page.get_by_label("Question").fill("SELECT AVG(agee) AS a FROM patients")
    page.get_by_role("button", name="Show price").click()
    page.get_by_role("alert").wait_for()
    return answer, rules


def train(page, base):
    page.goto(f"{base}/training")
    page.get_by_label("Target column").fill("disease")
    for name in ("age", "sex"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.get_by_label("Epsilon of the whole run").fill("3")
    page.get_by_label("Rounds").fill("8")
    page.get_by_label("Expected people").fill("700")
    page.get_by_label("Release the loss").check()
    page.get_by_role("button", name="Show plan and price").click()
    page.get_by_role("button", name="Train, and spend").click()
    page.get_by_role("status").filter(has_text="Running").wait_for()
    page.get_by_text("All rounds done").wait_for(timeout=120_000)
    return page.url


@pytest.mark.slow
@needs_chromium
def test_the_whole_dashboard_in_chromium_at_every_size_without_a_serious_finding(tmp_path, pictures):
    folders = found(tmp_path / "here")
    site = folders.consortium.parent / "sites" / "cleveland"
    findings, scrolled = {}, []
    with (
        Launcher(folders) as nodes,
        dashboard(folders, "--site", site, "--checkpoints", tmp_path / "kept") as link,
    ):
        base = link.partition("/login")[0]
        with chromium() as browser:
            first = browser.new_context(**LOOKS["wide"])
            page = first.new_page()
            complaints = watched(page)
            page.goto(link)
            findings["sign-in"] = serious(page)
            sign_in(page, link)
            answer, rules = fill_ledger(page, base, pictures)
            run = train(page, base)
            page.goto(f"{base}/quality")
            page.get_by_role("button", name="Check the rows").click()
            page.get_by_role("heading", name="Table patients").wait_for()
            findings["score card"] = serious(page)
            page.screenshot(path=pictures / "score-card.png", full_page=True)
            page.goto(f"{base}/ledger")
            page.get_by_text("verified").first.wait_for()
            state = first.storage_state()
            places = {each: f"{base}{each}" for each in PAGES} | {
                "/answer": answer,
                "/rules": rules,
                "/run": run,
            }
            for look, options in LOOKS.items():
                context = browser.new_context(storage_state=state, **options)
                page = context.new_page()
                complaints += watched(page)
                for name, place in places.items():
                    page.goto(place)
                    findings[f"{look} {name}"] = serious(page)
                    if page.evaluate("document.documentElement.scrollWidth") > options["viewport"]["width"]:
                        scrolled.append(f"{look} {name}")
                    file = name.strip("/").replace("/", "-") or "consortium"
                    page.screenshot(path=pictures / f"{file}-{look}.png", full_page=True)
                ask(page, base)
                findings[f"{look} price"] = serious(page)
                page.screenshot(path=pictures / f"price-{look}.png", full_page=True)
            assert complaints == []
            by_keyboard(page, base)
            without_scripts(browser, state, base)
            nodes.kill("hungary")
            page.goto(f"{base}/ask")
            page.get_by_text("Not answering or not ready: hungary").wait_for(timeout=40_000)
            page.screenshot(path=pictures / "site-down.png", full_page=True)
    assert {name: each for name, each in findings.items() if each} == {}
    assert scrolled == []


def by_keyboard(page, base):
    """The first key leads past the links; the link leads into the page."""
    page.goto(f"{base}/budget")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def without_scripts(browser, state, base):
    """The same question where no script runs."""
    page = browser.new_context(storage_state=state, java_script_enabled=False).new_page()
    page.goto(f"{base}/ask")
    page.get_by_label("Question").fill(SQL)
    page.get_by_label("Epsilon", exact=True).fill("1")
    page.get_by_label("Pay for a new release").check()
    page.get_by_role("button", name="Show price").click()
    page.get_by_role("button", name="Run, and spend epsilon 1").click()
    page.get_by_role("heading", name="Answer").wait_for()
    page.goto(f"{base}/budget")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("Such questions that still fit").wait_for()


@pytest.mark.slow
@needs_chromium
def test_two_dashboards_of_one_analyst_do_not_sign_each_other_out(tmp_path):
    folders = found(tmp_path / "here")
    with Launcher(folders), dashboard(folders) as one, dashboard(folders) as two, chromium() as browser:
        page = browser.new_page()
        for link in (one, two):
            sign_in(page, link)
        for link in (one, two):
            page.goto(link.partition("/login")[0])
            page.get_by_role("heading", name="Consortium hospitals").wait_for()
        began = time.monotonic()
        page.goto(f"{one.partition('/login')[0]}/budget")
        print(f"a page of two dashboards: {1000 * (time.monotonic() - began):.0f} ms")
