"""Browser sessions and installation: one-time codes, cookies, and no forged forms."""

import pytest

from pictor.contracts.access import Role, redacted
from pictor.gateway import credentials
from pictor.gateway.bootstrap import bootstrap
from pictor.gateway.identity import Access
from pictor.gateway.limits import AtOnce, Rate
from pictor.gateway.problems import Problem
from pictor.gateway.signin import end_session, login_code, redeem_code, session_cookie, start_session
from pictor.state import tokens
from tests.services.gateway.conftest import Api, tiny_frame

V1 = "/api/v1"


async def test_a_login_code_works_once(api: Api) -> None:
    access = Access(api.runtime.pool)
    code = await login_code(api.runtime.pool, api.admin)
    assert code is not None
    assert await redeem_code(access, code) is not None
    assert await redeem_code(access, code) is None
    assert await login_code(api.runtime.pool, "pictor_nonsense") is None


async def test_an_old_login_code_does_not_work(api: Api) -> None:
    code = await login_code(api.runtime.pool, api.admin)
    assert code is not None
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE login_code SET expires_at = now() - interval '1 second'")
    assert await redeem_code(Access(api.runtime.pool), code) is None


async def test_a_session_reads_freely_and_changes_only_with_its_csrf_token(api: Api) -> None:
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    signed_in = await start_session(Access(api.runtime.pool), api.admin)
    assert signed_in is not None
    cookies = {"Cookie": f"pictor_session={signed_in.secret}"}
    path = f"{V1}/frames/{frame}"
    assert (await api.client.get(path, headers=cookies)).status_code == 200
    change = {"json": {"status": "accepted"}}
    forged = await api.client.patch(f"{path}/grade", headers=cookies, **change)
    assert (forged.status_code, forged.json()["code"]) == (403, "csrf")
    wrong = await api.client.patch(f"{path}/grade", headers={**cookies, "X-CSRF-Token": "x"}, **change)
    assert wrong.status_code == 403
    good = await api.client.patch(f"{path}/grade", headers={**cookies, "X-CSRF-Token": signed_in.csrf}, **change)
    assert good.status_code == 200
    await end_session(api.app.state.access, signed_in.secret)
    assert (await api.client.get(path, headers=cookies)).status_code == 401


async def test_revoking_a_token_ends_its_sessions(api: Api) -> None:
    text = await api.token(Role.MEMBER)
    access = Access(api.runtime.pool)
    signed_in = await start_session(access, text)
    assert signed_in is not None
    async with api.runtime.pool.acquire() as db:
        await tokens.revoke(db, text.split("_")[1])
    access.forget(text.split("_")[1])
    assert await access.by_session(signed_in.secret) is None


async def test_the_cookie_is_kept_from_scripts_and_other_sites(api: Api) -> None:
    signed_in = await start_session(Access(api.runtime.pool), api.admin)
    https = api.runtime.settings.model_copy(update={"public_url": "https://pictor.example"})
    cookie = session_cookie(signed_in, https).to_header(header="")
    for wanted in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
        assert wanted in cookie
    assert "Secure" not in session_cookie(signed_in, api.runtime.settings).to_header(header="")


async def test_an_installation_is_founded_once_and_a_lost_token_replaced(api: Api) -> None:
    assert await bootstrap(api.runtime.pool, present=True) is None
    second = await bootstrap(api.runtime.pool, present=False)
    assert second is not None
    assert (await api.get(f"{V1}/me", second)).status_code == 200
    assert (await api.count("observatory"), await api.count("rig"), await api.count("token")) == (1, 1, 2)
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE token SET revoked_at = now()")
    assert await bootstrap(api.runtime.pool, present=True) is not None


def test_a_typo_in_a_token_is_told_by_its_checksum() -> None:
    text, made = credentials.make()
    assert credentials.parse(text) == made
    for position in range(len("pictor_"), len(text)):
        other = "b" if text[position] != "b" else "c"
        assert credentials.parse(text[:position] + other + text[position + 1 :]) is None, position


def test_tokens_are_blanked_out_of_any_text() -> None:
    for _ in range(1000):
        text, _ = credentials.make()
        assert text.split("_")[2] not in redacted(f"GET /x?token={text} failed")


def test_a_rate_refills_steadily_and_says_when_to_come_back() -> None:
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    for _ in range(60):
        rate.take("a")
    refused = _refusal(rate)
    assert refused is not None
    assert refused.headers["Retry-After"] == "1"
    rate.take("b")
    now[0] = 1.0
    assert _refusal(rate) is None


def _refusal(rate: Rate) -> Problem | None:
    try:
        rate.take("a")
    except Problem as problem:
        return problem
    return None


def test_places_are_given_back() -> None:
    places = AtOnce(1, "uploads")
    with places.hold("a"), pytest.raises(Problem, match="At most 1 uploads at once"), places.hold("a"):
        pass
    with places.hold("a"):
        pass
