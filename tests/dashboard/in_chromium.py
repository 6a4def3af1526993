"""Debian's chromium by Playwright; a reason to skip where one of them is missing."""

import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
MISSING = [name for name in ("playwright",) if find_spec(name) is None]
MISSING += [] if CHROMIUM.exists() else [str(CHROMIUM)]
needs_chromium = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def watched(page):
    """Collect what the browser complains of: blocked by the policy, broken scripts, requests to elsewhere."""
    found = []
    page.on(
        "console",
        lambda message: found.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda asked: None if "://127.0.0.1:" in asked.url else found.append(asked.url))
    return found


@contextmanager
def served(state):
    """A dashboard in a thread of this process; gives its links."""
    from federation.dashboard.server import server_of, take_port

    lines = []
    with take_port(None) as listening:
        server, offer_link = server_of(state, listening.getsockname()[1], lines.append)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            offer_link()
            yield lambda: lines[-1].removeprefix("open ")
        finally:
            server.should_exit = True
            thread.join(10)
