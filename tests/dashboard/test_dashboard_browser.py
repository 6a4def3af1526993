"""One way through the dashboard in a real browser: the link, a live price, an answer."""

from federation.dashboard.state import DashboardState
from tests.dashboard.in_chromium import chromium, needs_chromium, served, watched
from tests.dashboard.test_dashboard_questions import SQL, ledger, session  # noqa: F401 - fixtures


@needs_chromium
def test_a_live_price_and_its_answer_in_chromium(session):  # noqa: F811
    with served(DashboardState(session)) as link, chromium() as browser:
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.set_default_timeout(60_000)
        complaints = watched(page)
        page.goto(link())
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Consortium local").wait_for()
        page.get_by_role("link", name="Ask", exact=True).click()
        page.wait_for_url("**/ask")  # and until its script is there
        page.get_by_label("Question").fill(SQL)
        page.get_by_label("Epsilon", exact=True).fill("0.7")
        page.get_by_label("Epsilon", exact=True).press("Tab")
        button = page.get_by_role("button", name="Run, and spend epsilon 0.7")
        button.wait_for()
        assert page.url.endswith("/ask")
        button.click()
        page.get_by_role("heading", name="Answer").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert complaints == []
