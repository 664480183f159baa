"""People: invited, logged in, limited, disabled; and what their tokens may do meanwhile."""

import asyncio
import re
import statistics
import time
from uuid import uuid4

import httpx
import pytest

from pictor.contracts.access import Role
from pictor.gateway.app import create_app
from pictor.gateway.identity import Access
from pictor.gateway.limits import LOGINS_PER_MINUTE, Rate
from pictor.gateway.passwords import WAITING, Passwords, check_password
from pictor.gateway.problems import Problem
from pictor.gateway.signin import log_in
from pictor.state import tenancy, users
from tests.services.gateway.conftest import Api, client_of, sha, tiny_frame

V1 = "/api/v1"
PASSWORD = "a long and winding road"
NEW = {"name": "anna", "display_name": "Anna"}


class Browser:
    """A browser: it keeps its cookie, and sends the token its pages hold."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.csrf = ""

    async def enter(self, **fields: str) -> httpx.Response:
        """Log in."""
        answer = await self.client.post("/login", data=fields, follow_redirects=False)
        if answer.status_code == 303:
            page = await self.client.get("/account")
            found = re.search(r'data-csrf="([^"]+)"', page.text)
            assert found is not None
            self.csrf = found[1]
        return answer

    async def send(self, method: str, path: str, **options: object) -> httpx.Response:
        """Do what a button does."""
        return await self.client.request(method, f"{V1}{path}", headers={"X-CSRF-Token": self.csrf}, **options)


async def invited(api: Api, **changed: object) -> tuple[str, str]:
    """Add a person; returns id and code."""
    answer = await api.post(f"{V1}/users", json={**NEW, **changed})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["user"]["id"], answer.json()["login_path"].partition("code=")[2]


async def settled(api: Api, *, place: bool = True, can_admin: bool = False, **changed: object) -> str:
    """Add a person with a password, at home; returns the id."""
    user_id, _ = await invited(api, **changed)
    with tenancy.seeing_everything():
        async with api.runtime.pool.acquire() as db:
            await users.set_password(db, (await users.by_name(db, str(changed.get("name", "anna"))))[0].id,  # type: ignore[index]
                                     await Passwords().hashed(PASSWORD))  # fmt: skip
    if place:
        body = {"name": changed.get("name", "anna"), "can_admin": can_admin}
        answer = await api.post(f"{V1}/observatories/{api.home.id}/members", json=body)
        assert answer.status_code == 201, answer.text
    return user_id


async def test_an_invited_person_chooses_a_password_and_logs_in_with_it(api: Api) -> None:
    _, code = await invited(api)
    async with client_of(api.app) as client:
        browser = Browser(client)
        entered = await browser.enter(code=code)
        assert entered.headers["location"] == "/account", "who has no password yet is led to where to choose one"
        short = await browser.send("PUT", "/me/password", json={"new": "short"})
        assert (short.status_code, short.json()["code"]) == (422, "invalid-value")
        assert (await browser.send("PUT", "/me/password", json={"new": PASSWORD})).status_code == 204
        without = await browser.send("PUT", "/me/password", json={"new": PASSWORD + "!"})
        assert without.status_code == 403, "from now on the current one is asked for"
    async with client_of(api.app) as client:
        assert (await Browser(client).enter(code=code)).status_code == 401, "a link works once"
        assert (await Browser(client).enter(name="Anna ", password=PASSWORD)).status_code == 303
    actions = [line["action"] for line in (await api.get(f"{V1}/audit")).json()["items"]]
    assert {"user.create", "login", "user.password"} <= set(actions)


async def test_no_answer_no_row_and_no_line_holds_a_password(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    user_id = await settled(api)
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        await browser.enter(name=PASSWORD, password="anna")
        body = {"current": PASSWORD, "new": PASSWORD + "2", "extra": PASSWORD}
        assert PASSWORD not in (await browser.send("PUT", "/me/password", json=body)).text
    shown = await api.get(f"{V1}/users/{user_id}")
    assert "hash" not in shown.text.replace("password_hash", "hash!")
    async with api.runtime.pool.acquire() as db:
        rows = [str(dict(row)) for table in ("account", "session", "login_code", "audit")
                for row in await db.fetch(f"TABLE {table}")]  # fmt: skip
    assert PASSWORD not in "".join(rows)
    stored = re.findall(r"'password_hash': '([^']+)'", "".join(rows))
    assert [one.split("$")[1:4] for one in stored] == [["argon2id", "v=19", "m=19456,t=2,p=1"]]
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err


async def test_wrong_name_wrong_password_and_disabled_are_told_alike(api: Api) -> None:
    user_id = await settled(api)
    async with client_of(api.app) as client:
        tries = [("anna", "wrong wrong wrong"), ("nobody", PASSWORD), ("anna\x00'", PASSWORD)]
        bodies = [(await client.post("/login", data={"name": name, "password": word})) for name, word in tries]
        facts = {"display_name": "Anna", "server_admin": False, "disabled": True}
        assert (await api.request("PUT", f"{V1}/users/{user_id}", json=facts)).status_code == 200
        bodies.append(await client.post("/login", data={"name": "anna", "password": PASSWORD}))
    assert {(one.status_code, one.text, "set-cookie" in one.headers) for one in bodies} == {
        (401, bodies[0].text, False)
    }


async def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(api: Api) -> None:
    await settled(api)
    access = Access(api.runtime.pool)
    await log_in(access, "anna", "warming up the hash of nobody")
    await log_in(access, "nobody", "warming up the hash of nobody")
    took: dict[str, list[float]] = {"anna": [], "nobody": []}
    for _ in range(7):
        for name, times in took.items():
            begun = time.thread_time() + time.perf_counter()
            assert await log_in(access, name, "not this one") is None
            times.append(time.thread_time() + time.perf_counter() - begun)
    known, unknown = (statistics.median(times) for times in took.values())
    print(f"known {1000 * known:.1f} ms, unknown {1000 * unknown:.1f} ms")
    assert unknown > known / 3, "an unknown name must not be answered without the work"


async def test_failed_log_ins_are_limited_per_address_and_per_name(api: Api) -> None:
    await settled(api)
    api.app.state.limits.logins, api.app.state.limits.names = Rate(4, clock=lambda: 0.0), Rate(8, clock=lambda: 0.0)
    async with client_of(api.app) as client:
        wrong = [await client.post("/login", data={"name": "anna", "password": "wrong"}) for _ in range(6)]
        assert [one.status_code for one in wrong] == [401, 401, 401, 401, 429, 429]
        assert int(wrong[-1].headers["retry-after"]) > 0
        right = await client.post("/login", data={"name": "anna", "password": PASSWORD}, follow_redirects=False)
        assert right.status_code == 429, "a right guess must not be told from a wrong one"
        other = httpx.ASGITransport(api.app, raise_app_exceptions=False, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=other, base_url="http://gateway.test") as elsewhere:
            data = {"name": "anna", "password": PASSWORD}
            assert (await elsewhere.post("/login", data=data, follow_redirects=False)).status_code == 303
            wrong = [await elsewhere.post("/login", data={"name": "ANNA", "password": "wrong"}) for _ in range(4)]
            api.app.state.limits.logins = Rate(1000)
            assert (await elsewhere.post("/login", data=data)).status_code == 429, "whatever address, one name"
            assert (await elsewhere.post("/login", data={**data, "name": "bob"})).status_code == 401


async def test_guesses_in_parallel_are_counted_like_guesses_in_a_row(api: Api) -> None:
    await settled(api)
    api.app.state.limits.logins = Rate(LOGINS_PER_MINUTE, clock=lambda: 0.0)
    data = {"name": "anna", "password": "wrong"}
    answers = await asyncio.gather(*(api.client.post("/login", data=data) for _ in range(30)))
    statuses = [one.status_code for one in answers]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= LOGINS_PER_MINUTE
    later = [(await api.client.post("/login", data=data)).status_code for _ in range(LOGINS_PER_MINUTE)]
    assert statuses.count(401) + later.count(401) <= LOGINS_PER_MINUTE


async def test_many_log_ins_at_once_wait_for_their_turn_and_then_are_refused() -> None:
    passwords = Passwords()
    answers = await asyncio.gather(*(passwords.fits(None, "x") for _ in range(WAITING + 10)), return_exceptions=True)
    refused = [one for one in answers if isinstance(one, Problem)]
    assert len(refused) == 10
    assert {one.code for one in refused} == {"too-many-requests"}
    assert answers.count(False) == WAITING


@pytest.mark.parametrize(
    "password", ["", "short", "anna", "annaannaanna", "aaaaaaaaaaaaaaaaaa", "x" * 201, "anna12345678"]
)
def test_poor_passwords_are_refused(password: str) -> None:
    with pytest.raises(Problem):
        check_password(password, "anna")


async def test_the_log_in_form_is_not_filled_in_by_another_site(api: Api) -> None:
    await settled(api)
    data = {"name": "anna", "password": PASSWORD}
    async with client_of(api.app) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
                        {"Sec-Fetch-Site": "same-site", "Origin": "http://gateway.test"}):  # fmt: skip
            answer = await client.post("/login", data=data, headers=headers, follow_redirects=False)
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), headers
        ours = {"Origin": "http://gateway.test", "Sec-Fetch-Site": "same-origin"}
        answer = await client.post("/login", data=data, headers=ours, follow_redirects=False)
        cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert all(wanted in cookie for wanted in ("httponly", "samesite=lax", "path=/"))
    assert "secure" not in cookie
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="https://gateway.test") as client:
        answer = await client.post("/login", data=data, follow_redirects=False)
        assert "secure" in answer.headers["set-cookie"].lower(), "over https the cookie never travels in the clear"


async def test_a_new_password_ends_every_other_session(api: Api) -> None:
    await settled(api)
    async with client_of(api.app) as one, client_of(api.app) as two:
        here, there = Browser(one), Browser(two)
        await here.enter(name="anna", password=PASSWORD)
        await there.enter(name="anna", password=PASSWORD)
        wrong = await here.send("PUT", "/me/password", json={"current": "not this one", "new": PASSWORD + "2"})
        assert wrong.status_code == 403
        right = await here.send("PUT", "/me/password", json={"current": PASSWORD, "new": PASSWORD + "2"})
        assert right.status_code == 204
        assert (await here.send("GET", "/me")).status_code == 200
        assert (await there.send("GET", "/me")).status_code == 401
        assert (await one.post("/logout", headers={"X-CSRF-Token": here.csrf})).status_code == 204
        assert (await here.send("GET", "/me")).status_code == 401


async def test_disabling_a_person_ends_sessions_and_tokens_everywhere_within_five_seconds(api: Api) -> None:
    user_id = await settled(api, can_admin=True)
    replica = create_app(api.runtime)
    async with client_of(api.app) as one, client_of(replica) as elsewhere:
        browser = Browser(one)
        await browser.enter(name="anna", password=PASSWORD)
        made = (await browser.send("POST", "/tokens", json={"name": "rig", "role": "plugin"})).json()
        token = {"Authorization": f"Bearer {made['token']}"}
        there = Browser(elsewhere)
        await there.enter(name="anna", password=PASSWORD)
        assert (await elsewhere.get(f"{V1}/jobs", headers=token)).status_code == 200
        facts = {"display_name": "Anna", "server_admin": False, "disabled": True}
        assert (await api.request("PUT", f"{V1}/users/{user_id}", json=facts)).status_code == 200
        begun = time.monotonic()
        assert (await browser.send("GET", "/me")).status_code == 401
        assert (await api.get(f"{V1}/jobs", made["token"])).status_code == 401
        frame = tiny_frame(5)
        upload = await elsewhere.put(f"{V1}/frames/{sha(frame)}", content=frame, headers=token)
        assert upload.status_code == 401, "looked up again before it is committed, however fresh the look before"
        while (await there.send("GET", "/me")).status_code != 401 or (
            await elsewhere.get(f"{V1}/jobs", headers=token)
        ).status_code != 401:
            assert time.monotonic() - begun < 5, "another replica goes by what it knew"
            await asyncio.sleep(0.1)
        print(f"everywhere after {time.monotonic() - begun:.1f} s")
    assert await api.count("frame") == 0


async def test_a_persons_tokens_do_no_more_than_the_person_can_by_now(api: Api) -> None:
    user_id = await settled(api, can_admin=True)
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        wanted = {"name": "mine", "role": "observatory-admin"}
        token = (await browser.send("POST", "/tokens", json=wanted)).json()["token"]
    members = f"{V1}/observatories/{api.home.id}/members"
    assert (await api.get(members, token)).status_code == 200
    assert (await api.request("PUT", f"{members}/{user_id}", json={"can_admin": False})).status_code == 200
    assert (await api.get(members, token)).status_code == 403, "a member's token is a member's"
    assert (await api.get(f"{V1}/frames", token)).status_code == 200
    assert (await api.request("DELETE", f"{members}/{user_id}")).status_code == 204
    assert (await api.get(f"{V1}/frames", token)).status_code == 401, "who belongs nowhere has no tokens there"


async def test_nobody_gets_a_token_that_speaks_for_somebody_else(api: Api) -> None:
    await settled(api, can_admin=True)
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        mine = (await browser.send("POST", "/tokens", json={"name": "mine", "role": "member"})).json()["details"]["id"]
        rig = (await browser.send("POST", "/tokens", json={"name": "rig", "role": "plugin"})).json()["details"]["id"]
        admin = await api.token(Role.OBSERVATORY_ADMIN)
        assert (await api.post(f"{V1}/tokens/{mine}/rotate", admin)).status_code == 403
        assert (await api.post(f"{V1}/tokens/{rig}/rotate", admin)).status_code == 201
        assert (await browser.send("POST", f"/tokens/{mine}/rotate")).status_code == 201
        assert (await api.request("DELETE", f"{V1}/tokens/{mine}", admin)).status_code == 204


async def test_roles_are_those_of_the_rows_observatory(api: Api) -> None:
    hill = await api.observatory("hill")
    await settled(api)
    await api.post(f"{V1}/observatories/{hill}/members", json={"name": "anna", "can_admin": True})
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        me = (await browser.send("GET", "/me")).json()
        assert (me["role"], me["administers"]) == ("observatory-admin", [str(hill)])
        assert (await browser.send("GET", f"/observatories/{hill}/members")).status_code == 200
        assert (await browser.send("GET", f"/observatories/{api.home.id}/members")).status_code == 403
        assert (await browser.send("GET", f"/frames/{frame}")).status_code == 200
        assert (await browser.send("DELETE", f"/frames/{frame}")).status_code == 403
        assert (await browser.send("GET", "/jobs")).json()["total"] == 0
        wanted = {"name": "x", "role": "observatory-admin", "observatory_id": str(api.home.id)}
        assert (await browser.send("POST", "/tokens", json=wanted)).status_code == 403
        assert (await browser.send("PUT", f"/observatories/{api.home.id}", json={"name": "x"})).status_code == 403


async def test_the_last_administrator_cannot_lock_the_server(api: Api) -> None:
    user_id = await settled(api, place=False, server_admin=True)
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        for facts in ({"server_admin": False, "disabled": False}, {"server_admin": True, "disabled": True}):
            answer = await browser.send("PUT", f"/users/{user_id}", json={"display_name": "Anna", **facts})
            assert answer.status_code == 409
        renamed = {"display_name": "Anna B.", "server_admin": True, "disabled": False}
        assert (await browser.send("PUT", f"/users/{user_id}", json=renamed)).json()["display_name"] == "Anna B."


async def test_names_are_taken_once_and_members_join_once(api: Api) -> None:
    user_id = await settled(api)
    assert (await api.post(f"{V1}/users", json=NEW)).status_code == 409
    members = f"{V1}/observatories/{api.home.id}/members"
    assert (await api.post(members, json={"name": "anna"})).status_code == 409
    assert (await api.post(members, json={"name": "nobody"})).status_code == 404
    assert (await api.request("PUT", f"{members}/{uuid4()}", json={"can_admin": True})).status_code == 404
    listed = (await api.get(members)).json()
    assert [(one["name"], one["can_admin"]) for one in listed] == [("anna", False)]
    people = (await api.get(f"{V1}/users")).json()
    assert (people["total"], people["items"][0]["memberships"][0]["observatory"]) == (1, "home")
    again = (await api.post(f"{V1}/users/{user_id}/invitation")).json()
    assert again["user"]["has_password"] is False, "a new link takes the old password away"
    async with client_of(api.app) as client:
        assert (await Browser(client).enter(name="anna", password=PASSWORD)).status_code == 401


@pytest.mark.parametrize("page", ["/admin", "/audit", "/account", "/admin?observatory={home}"])
async def test_the_pages_of_administration_show_what_is_there(api: Api, page: str) -> None:
    await settled(api, can_admin=True, display_name="<b>Anna</b>")
    async with client_of(api.app) as client:
        browser = Browser(client)
        await browser.enter(name="anna", password=PASSWORD)
        await browser.send("POST", "/tokens", json={"name": "<i>C11</i>", "role": "plugin"})
        answer = await client.get(page.format(home=api.home.id))
    assert answer.status_code == 200
    assert "<b>Anna</b>" not in answer.text
    assert "<i>C11</i>" not in answer.text
    wanted = {"/admin": "&lt;i&gt;C11&lt;/i&gt;", "/audit": "token.create", "/account": "&lt;i&gt;C11&lt;/i&gt;"}
    assert wanted[page.partition("?")[0]] in answer.text
    assert 'id="people"' not in answer.text, "all people are for administrators of the server"


async def test_the_server_administrator_sees_people_on_the_page(api: Api) -> None:
    await settled(api)
    async with client_of(api.app) as client:
        await Browser(client).enter(token=api.admin)
        text = (await client.get("/admin")).text
    assert 'id="people"' in text
    assert "/invitation" in text


async def test_the_audit_log_is_read_by_those_who_answer_for_it(api: Api) -> None:
    hill = await api.observatory("hill")
    mine, theirs = await api.token(Role.OBSERVATORY_ADMIN), await api.token(Role.OBSERVATORY_ADMIN, hill)
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    assert (await api.get(f"{V1}/frames/{frame}", theirs)).status_code == 404
    assert (await api.get(f"{V1}/frames/{uuid4()}", theirs)).status_code == 404
    own = (await api.get(f"{V1}/audit", mine)).json()
    assert [(one["action"], one["outcome"]) for one in own["items"]] == [
        ("access.foreign", "refused"), ("frame.upload", "ok")
    ]  # fmt: skip
    assert own["items"][0]["object"] == f"frame {frame}"
    assert own["items"][0]["address"] == "127.0.0.1"
    foreign = (await api.get(f"{V1}/audit", theirs)).json()
    assert foreign["items"] == [], "whoever guesses ids must not learn from the log which there are"
    everything = (await api.get(f"{V1}/audit?limit=1&page=2")).json()
    assert (len(everything["items"]), everything["limit"], everything["total"] >= 2) == (1, 1, True)
    about = (await api.get(f"{V1}/audit?object={frame}")).json()
    assert [one["action"] for one in about["items"]] == ["frame.upload"]
