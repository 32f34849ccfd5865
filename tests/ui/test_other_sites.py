"""A page of another site reads nothing and changes nothing here, whatever headers its script writes itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.small_site import Site, opened
from ui.identity import COOKIE, asked_from_here
from ui.other_sites import SENTENCE
from ui.sign_in import COOKIE as PERSON

SECRET = "a" * 43
WHO = "/gradio_api/run/who"
FOREIGN = {"origin": "http://localhost:9999"}
FORGED = {**FOREIGN, "x-forwarded-host": "localhost:9999"}
READ = ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x", "/gradio_api/file=x", "/theme.css", "/",
        "/gradio_api/heartbeat/x", "/gradio_api/call/who/x")  # fmt: skip


@pytest.fixture(scope="module", params=["local", "team", "public"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp(request.param), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("space"), "public", proxies=1) as running:
        yield running


def ask(site: Site, method: str, path: str, **headers: Any) -> httpx.Response:
    """A request with the cookie that a browser of somebody at this page would send along."""
    known = f"{COOKIE}={SECRET}; {PERSON}={site.secret}"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"data": []} if method == "POST" else None
    with httpx.Client(timeout=20) as client:
        return client.request(method, site.url + path, json=body, headers={"cookie": known, **given})


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and answer.json() == {"detail": SENTENCE}


@pytest.mark.parametrize(
    "headers",
    [FOREIGN, FORGED, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
     {**FORGED, "x-forwarded-for": "1.2.3.4", "forwarded": "host=localhost:9999"}],
)  # fmt: skip
def test_another_site_s_script_is_refused_before_anything_happens(site: Site, headers: dict[str, str]) -> None:
    site.asked.clear()
    for path in (WHO, "/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/cancel", "/sign-out", "/"):
        assert refused(ask(site, "POST", path, **headers)), path
    for path in READ:
        assert refused(ask(site, "GET", path, **headers)), path
    assert site.asked == []


def test_no_answer_lets_a_browser_read_it_elsewhere(site: Site) -> None:
    for headers in (FOREIGN, FORGED, {"origin": "https://evil.example"}):
        asking = {"access_control_request_method": "POST", "access_control_request_headers": "x-forwarded-host"}
        answers = [ask(site, "OPTIONS", WHO, **headers, **asking)]
        assert refused(answers[0])
        answers += [ask(site, "GET", path, **headers) for path in ("/favicon.ico", "/config", "/static/x", "/assets/x")]
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control")], answer.url


def test_the_page_itself_a_notebook_and_a_link_are_answered(site: Site) -> None:
    own = {"origin": site.url, "sec-fetch-site": "same-origin"}
    for headers in (own, {}, {"sec-fetch-site": "none"}, {"origin": site.url}):
        answer = ask(site, "POST", WHO, **headers)
        assert answer.status_code == 200 and site.asked[-1] != "", headers
        assert ask(site, "GET", "/config", **headers).status_code == 200
    assert len(set(site.asked[-4:])) == 1, "the same person each time"
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert ask(site, "GET", "/", **link).status_code == 200
    assert refused(ask(site, "POST", WHO, **link)), "a form of another site navigates, too"


def test_in_a_space_the_page_in_its_frame_works_and_other_pages_do_not(space: Site) -> None:
    own = {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https", "sec_fetch_site": "same-origin",
           "origin": "https://team-forklore.hf.space"}  # fmt: skip
    named = ({"host": "team-forklore.hf.space"}, {"x_forwarded_host": "team-forklore.hf.space"},
             {"x_forwarded_host": "evil.example, team-forklore.hf.space"})  # fmt: skip
    told = {ask(space, "POST", WHO, **own, **each).json()["data"][0] for each in named}
    assert len(told) == 1 and told.pop().endswith(" 198.51.100.7")
    came = ask(space, "GET", "/", **{**own, "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, **named[0])
    assert came.status_code == 200 and "SameSite=None; Secure; Partitioned" in came.headers["set-cookie"]
    other = {**own, "origin": "https://evil.example", "host": "team-forklore.hf.space"}
    for more in ({"sec_fetch_site": "cross-site"}, {"x_forwarded_host": "evil.example, team-forklore.hf.space"}):
        assert refused(ask(space, "POST", WHO, **{**other, **more}))
    beside = {**other, "x_forwarded_host": "evil.example", "sec_fetch_site": "cross-site"}
    assert refused(ask(space, "POST", WHO, **beside)), "a proxy that adds no name leaves the caller's"


def test_where_no_proxy_stands_nothing_that_one_would_write_is_believed(site: Site) -> None:
    forged = {"x_forwarded_for": "6.6.6.6", "x_forwarded_proto": "https", "x_forwarded_host": "evil.example"}
    assert ask(site, "POST", WHO, **forged).json()["data"][0].endswith(" 127.0.0.1")
    assert "Secure" not in ask(site, "GET", "/", **forged).headers.get("set-cookie", "")


def test_the_name_that_the_last_proxies_saw_is_ours() -> None:
    def here(proxies: int, written: str) -> bool:
        headers = [(b"origin", b"https://b.test"), (b"host", b"inner"), (b"x-forwarded-host", written.encode())]
        return asked_from_here({"type": "http", "method": "POST", "headers": headers}, proxies)

    assert [here(n, "a.test, b.test, c.test") for n in range(4)] == [False, False, True, False]
    assert here(9, "b.test") and not here(1, "") and not here(1, "b.test, a.test")
