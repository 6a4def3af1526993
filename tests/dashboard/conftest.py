import re
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from federation.dashboard.application import create_app
from federation.dashboard.security.access import Place
from federation.dashboard.security.login import Login
from federation.dashboard.state import DashboardState

PORT = 8431
FORM = "application/x-www-form-urlencoded"
HOME = f"http://127.0.0.1:{PORT}"


class Browser:
    """A browser without JavaScript: it signs in, follows redirects and sends forms with their hidden fields."""

    def __init__(self, state, *, clock=None, is_own_peer=lambda client, server: True):
        self.state = state
        self.login = Login() if clock is None else Login(clock)
        self.links = []
        self.app = create_app(
            state,
            login=self.login,
            place=Place(port=PORT, is_own_peer=is_own_peer),
            offer_link=lambda: self.links.append(self.login.new_token()),
        )
        self.client = TestClient(self.app, base_url=HOME, raise_server_exceptions=False)

    def sign_in(self):
        answer = self.send("/login", token=self.login.new_token())
        assert answer.status_code == 303
        return self

    def get(self, path, **headers):
        return self.client.get(path, follow_redirects=False, headers=headers)

    def send(self, path, headers=None, **fields):
        return self.client.post(
            path,
            data=fields,
            follow_redirects=False,
            headers={"Origin": HOME, "Content-Type": FORM} | (headers or {}),
        )

    def post(self, path, headers=None, **fields):
        """A form of this dashboard, as it stands on the page of its path."""
        return self.send(path, headers, form_secret=self.secret(), **fields)

    def secret(self):
        return re.search(r'name="form_secret" value="([^"]+)"', self.get("/refusals").text)[1]


class FakeTables(dict):
    def rows(self):
        return []


def fake_state(**parts):
    """Enough of a session for pages that ask no site."""
    consortium = SimpleNamespace(
        file=SimpleNamespace(name="hospitals", dealer=None), names=("anna", "bert", "carl")
    )
    session = SimpleNamespace(
        consortium=consortium, analyst="dora", health=dict, tables=FakeTables(patients=None)
    )
    return DashboardState(session, **parts)


@pytest.fixture
def browser():
    """Signed in, over a session that knows no site."""
    return Browser(fake_state()).sign_in()


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""
