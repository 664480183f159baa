"""Signing in and out."""

import re

import pytest
from litestar import Litestar

from pictor.gateway import signin
from pictor.gateway.limits import Rate
from pictor.state.database import Pool
from tests.services.gateway.pages.conftest import Client, Keys

PAGES = ("/", "/night", "/jobs", "/operations", "/frames/00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("path", PAGES[1:])
async def test_a_stranger_is_led_to_the_door_and_back_afterwards(stranger: Client, keys: Keys, path: str) -> None:
    answer = await stranger.get(f"{path}?filter=Ha", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/")
    form = await stranger.get(answer.headers["location"])
    asked = re.search(r'name="next" value="([^"]*)"', form.text)
    assert asked is not None
    entered = await stranger.post("/login", data={"token": keys.member, "next": asked[1]}, follow_redirects=False)
    assert entered.headers["location"] == f"{path}?filter=Ha"


async def test_a_piece_of_a_page_says_that_the_session_is_over(stranger: Client) -> None:
    answer = await stranger.get("/jobs", headers={"HX-Request": "true"}, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login"


@pytest.mark.parametrize("token", ["", "nonsense", "pictor_0123456789abcdef_" + "0" * 43 + "_000000"])
async def test_a_wrong_token_opens_nothing(stranger: Client, token: str) -> None:
    answer = await stranger.post("/login", data={"token": token}, follow_redirects=False)
    assert answer.status_code == 401
    assert "not a token that works" in answer.text
    assert "set-cookie" not in answer.headers


async def test_who_fails_too_often_is_told_to_wait(stranger: Client, app: Litestar, keys: Keys) -> None:
    app.state.limits.logins = Rate(3, clock=lambda: 0.0)
    answers = [(await stranger.post("/login", data={"token": "nonsense"})).status_code for _ in range(5)]
    assert answers == [401, 401, 401, 429, 429]
    assert (await stranger.post("/login", data={"token": keys.member}, follow_redirects=False)).status_code == 303
    app.state.limits.logins = Rate(10_000)


async def test_a_login_link_works_once(stranger: Client, pool: Pool, keys: Keys) -> None:
    code = await signin.login_code(pool, keys.member)
    looked = await stranger.get(f"/login?code={code}")
    assert (looked.status_code, "set-cookie" in looked.headers) == (200, False), "looking at a link does not use it up"
    first = await stranger.post("/login", data={"code": code}, follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/night")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    stranger.cookies.clear()
    second = await stranger.post("/login", data={"code": code}, follow_redirects=False)
    assert second.status_code == 401
    assert "works once" in second.text


@pytest.mark.parametrize(
    "target",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/login", "/a\r\nb"],
)
async def test_signing_in_never_leads_to_another_site(stranger: Client, keys: Keys, target: str) -> None:
    answer = await stranger.post("/login", data={"token": keys.member, "next": target}, follow_redirects=False)
    assert answer.headers["location"] == "/night"


async def test_signing_out_needs_the_pages_token_and_ends_the_session(browser: Client) -> None:
    assert (await browser.post("/logout")).status_code == 403
    csrf = re.search(r'data-csrf="([^"]+)"', (await browser.get("/night")).text)
    assert csrf is not None
    assert (await browser.post("/logout", headers={"X-CSRF-Token": csrf[1]})).status_code == 204
    assert (await browser.get("/night", follow_redirects=False)).status_code == 303
