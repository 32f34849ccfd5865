"""A visitor of a public page is a person of their own, for as long as their browser keeps its cookie and no longer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui.access import COOKIE, VisitorCookie, viewer_of


def request(secret: str = "", session: str = "s1", **headers: str) -> SimpleNamespace:
    cookies = {COOKIE: secret} if secret else {}
    return SimpleNamespace(session_hash=session, request=SimpleNamespace(cookies=cookies, headers=headers))


A, B = "a" * 43, "b" * 43


def test_the_cookie_and_not_the_open_page_decides_who_somebody_is() -> None:
    first, again = (viewer_of(request(A, session), public=True) for session in ("s1", "s2"))
    assert first.name == again.name and first.session != again.session and not first.trusted
    assert viewer_of(request(B), public=True).name != first.name
    assert A not in first.name


def test_a_script_of_another_site_does_not_get_the_visitor_it_runs_beside() -> None:
    own = viewer_of(request(A), public=True).name
    assert viewer_of(request(A, origin="https://a.hf.space", host="a.hf.space"), public=True).name == own
    assert (
        viewer_of(request(A, origin="https://A.hf.space", **{"x-forwarded-host": "a.hf.space"}), public=True).name
        == own
    )
    assert viewer_of(request(A, origin="https://evil.example", host="a.hf.space"), public=True).name != own
    assert viewer_of(request(A, origin="null", host="a.hf.space"), public=True).name != own


@pytest.mark.parametrize("forged", ["local", "short", "x" * 65, "a" * 42 + "\n", "../../etc/passwd" * 3, "é" * 40])
def test_what_cannot_be_our_secret_makes_nobody_but_this_session(forged: str) -> None:
    assert viewer_of(request(forged, "s1"), public=True).name == viewer_of(request("", "s1"), public=True).name
    assert viewer_of(request(forged, "s1"), public=True).name != viewer_of(request(forged, "s2"), public=True).name


def test_no_cookie_makes_a_visitor_local_or_a_local_user_a_visitor() -> None:
    assert viewer_of(request(A), public=False).name == "local"
    assert viewer_of(None, public=True).name.startswith("visitor:")


def test_calls_without_cookie_and_session_share_nothing() -> None:
    names = {viewer_of(request("", ""), public=True).name for _ in range(3)}
    assert len(names) == 3


@pytest.fixture
def client() -> TestClient:
    async def page(_: object) -> PlainTextResponse:
        return PlainTextResponse("page")

    routes = [Route("/", page), Route("/other", page)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(VisitorCookie)]), base_url="http://a.test")


def test_a_browser_gets_its_cookie_with_the_page_and_keeps_it(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/other").headers
    first = client.get("/")
    given = first.headers["set-cookie"]
    assert first.headers["cache-control"] == "no-store"
    assert "HttpOnly" in given and "SameSite=Lax" in given and "Secure" not in given
    assert client.get("/").headers["set-cookie"] == given, "the same secret, for another half a year"
    client.cookies.clear()
    assert client.get("/").headers["set-cookie"] != given


def test_behind_https_the_cookie_survives_in_a_frame_of_another_site(client: TestClient) -> None:
    given = client.get("/", headers={"x-forwarded-proto": "HTTPS, http"}).headers["set-cookie"]
    assert all(word in given for word in ("SameSite=None", "Secure", "Partitioned", "HttpOnly"))


@pytest.mark.parametrize("cookie", ["path=x; a", "=;;=", "\x7f=1", COOKIE, f"{COOKIE}="])
def test_a_malformed_cookie_header_does_no_harm(client: TestClient, cookie: str) -> None:
    assert client.get("/", headers={"cookie": cookie}).status_code == 200
