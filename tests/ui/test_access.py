"""Who asks is decided by the server alone: a cookie, an address, a name; never by what a page's script sends along."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.doors import request_of
from ui.access import Identity, viewer_of
from ui.addresses import is_loopback_host, normal
from ui.identity import COOKIE, Door, IdentityMiddleware

A, B = "a" * 43, "b" * 43


async def tell(request: Request) -> JSONResponse:
    """Who the page would think is asking; the session is whatever the caller says."""
    viewer = viewer_of(SimpleNamespace(session_hash=request.query_params.get("session"), request=request))
    return JSONResponse(vars(viewer) | {"place": viewer.place})


def client_of(mode: str, proxies: int = 0, base: str = "http://localhost:7860") -> TestClient:
    routes = [Route(path, tell, methods=["GET", "POST"]) for path in ("/", "/other")]
    door = Middleware(IdentityMiddleware, Door(mode, proxies))
    return TestClient(Starlette(routes=routes, middleware=[door]), base_url=base, client=("10.0.0.9", 5000))


@pytest.fixture
def public() -> TestClient:
    return client_of("public", base="http://a.test")


def who(client: TestClient, secret: str = "", session: str = "s1", method: str = "GET", **headers: str) -> dict:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    if secret:
        given[b"cookie"] = f"{COOKIE}={secret}".encode()
    return client.request(method, "/other", params={"session": session}, headers=given).json()


def test_the_cookie_and_not_the_open_page_decides_who_somebody_is(public: TestClient) -> None:
    first, again = (who(public, A, session) for session in ("s1", "s2"))
    assert first["name"] == again["name"] and first["session"] != again["session"]
    assert first["place"] == again["place"], "one place in the queue for all pages of a stranger"
    assert not first["trusted"] and first["anonymous"]
    assert who(public, B)["name"] != first["name"]
    assert A not in first["name"]


def test_a_script_of_another_site_does_not_get_the_visitor_it_runs_beside(public: TestClient) -> None:
    own = who(public, A)["name"]
    assert who(public, A, origin="https://a.test")["name"] == own
    behind = client_of("public", 1, "http://inner.test")
    assert who(behind, A, origin="https://A.hf.space", x_forwarded_host="a.hf.space")["name"] == own
    assert who(public, A, origin="https://A.hf.space", x_forwarded_host="a.hf.space")["name"] != own, (
        "no proxy wrote it"
    )
    for origin in ("https://evil.example", "null", "https://a.test.evil.example", "http://[", "https://"):
        assert who(public, A, origin=origin)["name"] != own, origin


# in quotes a cookie may carry what its header cannot
NEW_LINE = f'"{"a" * 42}\\012"'


@pytest.mark.parametrize(
    "forged", ["local", "short", "x" * 65, NEW_LINE, "../../etc/passwd" * 3, "é" * 40, "person:1", "account:7"]
)
def test_what_cannot_be_our_secret_makes_nobody_but_this_session(public: TestClient, forged: str) -> None:
    assert who(public, forged, "s1")["name"] == who(public, "", "s1")["name"]
    assert who(public, forged, "s1")["name"] != who(public, forged, "s2")["name"]
    assert who(public, forged)["name"].startswith("visitor:")


def test_calls_without_cookie_and_session_share_nothing(public: TestClient) -> None:
    assert len({who(public, "", "")["name"] for _ in range(3)}) == 3
    assert len({who(public, NEW_LINE, "")["name"] for _ in range(3)}) == 3


def test_no_session_that_a_caller_makes_up_is_another_visitor(public: TestClient) -> None:
    known = who(public, A)["name"].removeprefix("visitor:")
    for session in (known, f"visitor:{known}", A, "local"):
        assert who(public, "", session)["name"] != who(public, A)["name"]


def test_no_cookie_makes_a_visitor_local_or_a_local_user_a_visitor(public: TestClient) -> None:
    assert who(client_of("local"), A)["name"] == "local"
    assert who(public)["name"].startswith("visitor:")


def test_a_call_that_passed_no_door_is_a_stranger_for_that_call_only() -> None:
    asked = (None, SimpleNamespace(session_hash="s1", request=SimpleNamespace(scope={})), SimpleNamespace())
    viewers = [viewer_of(request) for request in asked for _ in range(2)]
    assert len({viewer.name for viewer in viewers}) == 6
    assert not any(viewer.trusted for viewer in viewers) and all(viewer.anonymous for viewer in viewers)
    forged = SimpleNamespace(scope={"forklore.identity": {"name": "local", "trusted": True}})
    assert not viewer_of(SimpleNamespace(session_hash="s1", request=forged)).trusted


def test_an_open_page_of_one_person_s_machine_holds_a_place_of_its_own() -> None:
    first, second = (viewer_of(request_of(session=session)) for session in ("s1", "s2"))
    assert first.name == second.name == "local" and first.place != second.place
    member = Identity("person:1", True, False)
    assert len({viewer_of(request_of(member, session)).place for session in ("s1", "s2")}) == 1


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:7861", "127.0.0.1:1", "127.1.2.3", "[::1]:7860", "app.localhost:80"]
)
def test_one_person_s_machine_answers_to_its_own_names(host: str) -> None:
    assert is_loopback_host(host)
    assert who(client_of("local"), host=host)["name"] == "local"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "0.0.0.0:7860", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::2]",
     "10.0.0.1", "localhost:80:80", "[::1", "[::1]x", "127.0.0.1@evil.example"],
)  # fmt: skip
def test_a_name_that_was_bent_to_this_machine_opens_nothing(host: str) -> None:
    answer = client_of("local").get("/other", headers={"host": host})
    assert answer.status_code == 403 and "localhost" in answer.json()["detail"]


def test_a_page_of_another_site_can_make_one_person_s_machine_do_nothing() -> None:
    local = client_of("local")
    assert local.post("/other", headers={"origin": "http://localhost:7860"}).json()["name"] == "local"
    assert local.post("/other").json()["name"] == "local", "a notebook sends no origin"
    for origin in ("https://evil.example", "null", "http://localhost:9999"):
        assert local.post("/other", headers={"origin": origin}).status_code == 403


def test_where_a_call_came_from_is_what_the_last_proxies_say_and_not_the_caller() -> None:
    asked = {"x_forwarded_for": "6.6.6.6, 1.2.3.4, 5.6.7.8"}
    assert who(client_of("public"), **asked)["address"] == "10.0.0.9"
    assert who(client_of("public", 1), **asked)["address"] == "5.6.7.8"
    assert who(client_of("public", 2), **asked)["address"] == "1.2.3.4"
    assert who(client_of("public", 8), **asked)["address"] == "6.6.6.6"
    assert who(client_of("public", 1), x_forwarded_for="nonsense")["address"] == "10.0.0.9"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1.2.3.4", "1.2.3.4"), ("1.2.3.4:5000", "1.2.3.4"), ("2001:db8::1", "2001:db8::/64"), ("", ""), ("x", ""),
     ("2001:db8:0:0:ffff::2", "2001:db8::/64"), ("[2001:db8::3]:80", "2001:db8::/64"), ("::ffff:1.2.3.4", "1.2.3.4"),
     ("fe80::1%eth0", "fe80::/64"), ("testclient", ""), ("[", "")],
)  # fmt: skip
def test_one_caller_has_one_address(written: str, meant: str) -> None:
    assert normal(written) == meant


def test_a_browser_gets_its_cookie_with_the_page_and_keeps_it(public: TestClient) -> None:
    assert "set-cookie" not in public.get("/other").headers
    first = public.get("/")
    given = first.headers["set-cookie"]
    assert first.headers["cache-control"] == "no-store"
    assert "HttpOnly" in given and "SameSite=Lax" in given and "Secure" not in given
    assert public.get("/").headers["set-cookie"] == given, "the same secret, for another half a year"
    public.cookies.clear()
    assert public.get("/").headers["set-cookie"] != given


def test_one_person_s_machine_needs_no_cookie() -> None:
    assert "set-cookie" not in client_of("local").get("/").headers


def test_behind_https_the_cookie_survives_in_a_frame_of_another_site() -> None:
    given = client_of("public", 1).get("/", headers={"x-forwarded-proto": "HTTPS, http"}).headers["set-cookie"]
    assert all(word in given for word in ("SameSite=None", "Secure", "Partitioned", "HttpOnly"))


@pytest.mark.parametrize("cookie", ["path=x; a", "=;;=", "\x7f=1", COOKIE, f"{COOKIE}="])
def test_a_malformed_cookie_header_does_no_harm(public: TestClient, cookie: str) -> None:
    assert public.get("/", headers={"cookie": cookie}).status_code == 200
