"""Attacks on the dashboard by other pages, other users of the machine, and whoever lacks the token."""

import re

import pytest

from tests.dashboard.conftest import HOME, PORT, Browser, fake_state

SHOWN = [
    "/",
    "/ask",
    "/budget",
    "/ledger",
    "/mining",
    "/training",
    "/quality",
    "/refusals",
    "/nodes",
    "/status",
]
CHANGING = [
    "/ask",
    "/run",
    "/mining",
    "/training",
    "/training/start",
    "/training/resume",
    "/quality",
    "/logout",
]


@pytest.mark.parametrize("path", SHOWN)
def test_no_page_is_shown_without_a_session(path):
    answer = Browser(fake_state()).get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", CHANGING)
def test_nothing_is_done_without_a_session(path):
    assert Browser(fake_state()).send(path, form_secret="guess").status_code == 403


def test_a_token_works_once():
    browser = Browser(fake_state())
    token = browser.login.new_token()
    assert browser.send("/login", token=token).status_code == 303
    assert browser.get("/refusals").status_code == 200
    browser.client.cookies.clear()
    again = browser.send("/login", token=token)
    assert again.status_code == 403
    assert "used before" in again.text
    assert "set-cookie" not in again.headers


def test_opening_the_link_uses_nothing_up_and_shows_the_token_escaped():
    browser = Browser(fake_state())
    token = browser.login.new_token()
    for _ in range(2):
        assert f'value="{token}"' in browser.get(f"/login?token={token}").text
    assert "<script>alert" not in browser.get("/login?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert browser.send("/login", token=token).status_code == 303


def test_wrong_tokens_are_limited_and_the_right_one_waits_too():
    now = [100.0]
    browser = Browser(fake_state(), clock=lambda: now[0])
    token = browser.login.new_token()
    statuses = [browser.send("/login", token=f"wrong{number}").status_code for number in range(5)]
    assert statuses == [403] * 5
    assert browser.send("/login", token=token).status_code == 429
    now[0] += 61
    assert browser.send("/login", token=token).status_code == 303


def test_the_cookie_is_of_this_port_alone_and_no_script_can_read_it():
    browser = Browser(fake_state())
    cookie = browser.send("/login", token=browser.login.new_token()).headers["set-cookie"]
    assert cookie.startswith(f"crossward_{PORT}=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    "cookie", ["x", f"crossward_{PORT}=", f"crossward_{PORT}=guess", 'a="', "crossward_1=a"]
)
def test_a_foreign_cookie_opens_nothing(cookie):
    assert Browser(fake_state()).get("/budget", Cookie=cookie).status_code == 303


def test_a_session_ends_after_hours_without_a_request_and_at_sign_out():
    now = [0.0]
    browser = Browser(fake_state(), clock=lambda: now[0]).sign_in()
    now[0] += 7 * 3600
    assert browser.get("/refusals").status_code == 200
    now[0] += 9 * 3600
    assert browser.get("/refusals").status_code == 303
    browser = Browser(fake_state()).sign_in()
    kept = dict(browser.client.cookies)
    assert browser.post("/logout").headers["location"] == "/login"
    assert len(browser.links) == 1
    assert browser.get("/refusals", Cookie="; ".join(f"{k}={v}" for k, v in kept.items())).status_code == 303


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize(
    "secret", [{}, {"form_secret": ""}, {"form_secret": "x" * 43}, {"form_secret": "\ud800é"[1:]}]
)
def test_a_form_without_the_secret_of_its_session_does_nothing(browser, path, secret):
    answer = browser.send(path, **secret)
    assert answer.status_code == 403
    assert "nothing was done" in answer.text


def test_the_secret_of_another_session_does_not_count(browser):
    secret = browser.secret()
    browser.client.cookies.clear()
    browser.sign_in()
    assert browser.send("/quality", form_secret=secret).status_code == 403


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:1"]
)
def test_a_form_of_another_page_does_nothing_even_with_the_secret(browser, origin):
    headers = {} if origin is None else {"Origin": origin}
    secret = {"form_secret": browser.secret()}
    answer = browser.client.post("/quality", data=secret, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT}.evil.example", ""]
)
def test_a_rebound_name_is_not_answered(browser, host):
    assert browser.get("/refusals", Host=host).status_code == 421
    assert browser.get("/login", Host=host).status_code == 421
    assert browser.get("/static/dashboard.css", Host=host).status_code == 421


def test_both_names_of_the_loopback_address_are_answered_but_a_form_must_come_from_its_own(browser):
    assert browser.get("/login", Host=f"localhost:{PORT}").status_code in {200, 303}
    answer = browser.send("/quality", {"Host": f"localhost:{PORT}"}, form_secret=browser.secret())
    assert answer.status_code == 403


def test_another_user_of_the_machine_gets_nothing():
    browser = Browser(fake_state(), is_own_peer=lambda client, server: False)
    assert {browser.get(path).status_code for path in ("/", "/login", "/static/dashboard.css")} == {403}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_not_answered(browser, method):
    assert browser.client.request(method, "/refusals").status_code == 405


def test_only_plain_forms_of_some_size_are_read(browser):
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        answer = browser.client.post(
            "/quality", content=b"{}", headers={"Origin": HOME, "Content-Type": kind}
        )
        assert answer.status_code == 415
    large = browser.send("/ask", form_secret=browser.secret(), sql="x" * (300 << 10))
    many = browser.client.post(
        "/ask",
        content="&".join(f"a{n}=1" for n in range(600)),
        headers={"Origin": HOME, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (large.status_code, many.status_code) == (413, 413)


@pytest.mark.parametrize(
    "path", ["/login", "/refusals", "/ledger", "/static/htmx.min.js", "/nothing", "/static/../state.py"]
)
def test_every_answer_has_a_strict_policy_and_is_not_kept(browser, path):
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert not re.search(r"unsafe|\*|data:|http", policy)
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_refusals_of_the_checks_have_the_headers_too():
    answer = Browser(fake_state(), is_own_peer=lambda client, server: False).get("/")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/login", "/ledger", "/refusals", "/quality", "/nothing"])
def test_pages_hold_nothing_that_the_policy_would_block_and_name_no_other_host(browser, path):
    if path == "/login":
        browser.client.cookies.clear()
    text = browser.get(path).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=\"/static/)", text)
    assert not re.search(r"(src|href|action)=\"(?!/|#)", text)


def test_files_outside_the_folder_are_not_served(browser):
    for path in ("/static/..%2fstate.py", "/static/%2e%2e/server.py", "/static/"):
        assert browser.get(path).status_code == 404


def test_a_fault_of_the_program_shows_its_kind_alone(browser, monkeypatch):
    def fail():
        raise RuntimeError("a value of a row")

    monkeypatch.setattr(browser.state, "refused", fail)
    answer = browser.get("/refusals")
    assert answer.status_code == 500
    assert "a fault of its own: RuntimeError" in answer.text
    assert "value of a row" not in answer.text
    assert "Traceback" not in answer.text
