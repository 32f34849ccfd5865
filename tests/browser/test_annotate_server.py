"""Calls of named endpoints from the page: what is sent, and what an answer, a refusal and a silence come to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from ui import assets

ADDRESS = "http://forklore.test/"
CALL = """async (args) => {
  try { return {result: await Forklore.server.call(...args)}; }
  catch (error) { return {sentence: error.sentence, offline: error.offline, again: error.again}; }
}"""
UNREACHED = {"sentence": "The server cannot be reached.", "offline": True, "again": True}


@pytest.fixture
def ask(page: Page) -> Any:
    """Calls an endpoint that answers with a status and a body, None for a broken line; gives outcome and request."""

    def asked(status: int | None, body: str, *args: Any, root: str = "") -> tuple[dict[str, Any], Any]:
        seen: list[Any] = []

        def answer(route: Route) -> None:
            if route.request.url == ADDRESS:
                config = f"<script>window.gradio_config = {json.dumps({'root': root})};</script>"
                route.fulfill(body=f"<!doctype html><title>x</title>{config}{assets.head()}", content_type="text/html")
                return
            seen.append((route.request.url, route.request.method, route.request.post_data_json))
            if status is None:
                route.abort()
            else:
                route.fulfill(status=status, body=body, content_type="application/json")

        page.unroute("**/*")
        page.route("**/*", answer)
        page.goto(ADDRESS)
        return page.evaluate(CALL, ["save it", *args]), seen[0]

    return asked


def test_arguments_go_in_order_and_the_result_comes_back(ask: Any) -> None:
    found, request = ask(200, '{"data": [{"a": 1}]}', "x", [1, None], "")
    assert found == {"result": {"a": 1}}
    body = request[2]
    assert request[:2] == (f"{ADDRESS}gradio_api/run/save%20it", "POST")
    assert body["data"] == ["x", [1, None], ""] and body.keys() == {"data", "session_hash"}


def test_all_calls_of_one_open_page_name_it_the_way_gradio_does(page: Page) -> None:
    sent: list[str] = []

    def answer(route: Route) -> None:
        if route.request.url == ADDRESS:
            route.fulfill(body=assets.head(), content_type="text/html")
            return
        sent.append(route.request.post_data_json["session_hash"])
        route.fulfill(body='{"data": [null]}', content_type="application/json")

    page.route("**/*", answer)
    twice = "async () => { await Forklore.server.call('a'); await Forklore.server.call('b'); }"
    for _ in range(2):
        page.goto(ADDRESS)
        page.evaluate(twice)
    assert sent[0] == sent[1] and sent[2] == sent[3] and sent[0] != sent[2], "another page load is another page"
    assert all(len(one) >= 20 for one in sent), "nobody guesses it"
    page.evaluate("window.__gradio_session_hash__ = 'gradio-knows-it'")
    page.evaluate(twice)
    assert sent[4:] == ["gradio-knows-it"] * 2


def test_the_page_may_stand_below_another_address(ask: Any) -> None:
    found, request = ask(200, '{"data": [null]}', root=f"{ADDRESS}deep/down/")
    assert found == {"result": None} and request[0] == f"{ADDRESS}deep/down/gradio_api/run/save%20it"


@pytest.mark.console_ok("status of (500|502|422)", "ERR_FAILED")
@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (500, '{"error": "No such item.", "title": "Error"}', {"sentence": "No such item.", "again": False}),
        (500, '{"error": "The disk is full.", "title": "Again"}', {"sentence": "The disk is full.", "again": True}),
        (500, '{"error": null}', {"sentence": "The server could not answer just now.", "again": True}),
        (500, "Internal Server Error", {"sentence": "The server could not answer just now.", "again": True}),
        (502, "<html>Bad gateway</html>", {"sentence": "The server could not answer just now.", "again": True}),
        (200, "<html>Log in</html>", {"sentence": "The server could not answer just now.", "again": True}),
        (422, '{"detail": []}', {"sentence": "The server could not answer just now.", "again": True}),
    ],
)
def test_refusals_are_told_from_what_may_pass(ask: Any, status: int, body: str, outcome: dict[str, Any]) -> None:
    found, _ = ask(status, body)
    assert found == outcome | {"offline": False}


@pytest.mark.console_ok("ERR_FAILED")
def test_a_broken_line_is_known_as_one(ask: Any) -> None:
    assert ask(None, "")[0] == UNREACHED


def test_a_server_that_says_nothing_is_given_up(page: Page) -> None:
    page.route("**/*", lambda route: route.fulfill(body=assets.head(), content_type="text/html")
               if route.request.url == ADDRESS else None)  # fmt: skip
    page.goto(ADDRESS)
    page.clock.install()
    for name, patience in (("save_annotation", 31_000), ("session_scores", 181_000)):
        page.evaluate(
            "name => { window.found = null; Forklore.server.call(name).catch((e) => { window.found = e.sentence; }); }",
            name,
        )
        page.clock.run_for(patience - 2000)
        assert page.evaluate("found") is None
        page.clock.run_for(2000)
        assert page.evaluate("found") == UNREACHED["sentence"]
