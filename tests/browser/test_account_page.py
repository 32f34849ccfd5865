"""Signing in with an account keeps what the browser made before, and nobody is signed in by anything forged."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import small_trace
from tests.support.app_server import AppServer
from tests.support.openid_provider import Provider
from ui.access import digest_of
from ui.identity import COOKIE

ACCOUNT = "account:64f0c0ffee"
# a busy machine may take its time to answer
SECONDS = 60.0


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider().start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def space(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    environ = {**provider.environ, "FORKLORE_HOST": "127.0.0.1"}
    server = AppServer(tmp_path_factory.mktemp("space") / "forklore.db", environ=environ).start()
    yield server
    server.stop()


def own(space: AppServer, viewer: str) -> list[str]:
    with Store(space.database) as store:
        return [row.uid for row in store.runs.list(RunQuery(viewer)).rows if not row.example]


def anonymous(client: httpx.Client, space: AppServer) -> bool:
    """Only a stranger's work is kept for some days."""
    answer = client.post(f"{space.url}/gradio_api/run/kept_until", json={"data": []})
    return answer.json()["data"][0]["days"] is not None


def test_signing_in_takes_over_what_the_browser_made_and_signing_out_leaves_it(
    space: AppServer, provider: Provider, chromium: Browser
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(space.url)
    link = page.locator(".fl-who a")
    expect(link).to_have_text("Sign in", timeout=60_000)
    secret = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == COOKIE)
    visitor = f"visitor:{digest_of(str(secret))}"
    with Store(space.database) as store:
        uid = store.runs.add(small_trace(1), owner=visitor, status="finished", run_scores={}, title="Before")
    link.click()
    expect(page.locator(".fl-who bdi")).to_have_text("ada", timeout=60_000)
    expect(page.locator("#notice")).to_contain_text("now belongs to your account")
    assert (own(space, visitor), own(space, ACCOUNT)) == ([], [uid])
    page.goto(f"{space.url}/?run={uid}")
    expect(page.locator(f'.fl-explorer[data-run="{uid}"]')).to_be_visible(timeout=60_000)
    page.locator(".fl-who a").click()
    expect(page.locator(".fl-who a")).to_have_text("Sign in", timeout=60_000)
    page.goto(f"{space.url}/?run={uid}")
    expect(page.locator("#notice")).to_contain_text("There is no run", timeout=60_000)
    assert own(space, ACCOUNT) == [uid]
    context.close()


def test_nothing_forged_signs_anybody_in(space: AppServer, provider: Provider) -> None:
    with httpx.Client(timeout=SECONDS) as client:
        client.get(space.url)
        came = client.get(f"{space.url}/login/callback", params={"code": "code-0", "state": "forged"})
        assert came.status_code in (302, 307) and "/login/huggingface" in came.headers["location"]
        assert anonymous(client, space)
        asked = client.get(f"{space.url}/login/huggingface").headers["location"]
        state = httpx.URL(asked).params["state"]
        provider.codes.pop("code-x", None)
        client.get(f"{space.url}/login/callback", params={"code": "code-x", "state": state})
        assert anonymous(client, space), "a code that the provider did not give"
        forged = "eyJvYXV0aF9pbmZvIjogeyJ1c2VyaW5mbyI6IHsic3ViIjogIjY0ZjBjMGZmZWUifX19.aaaaaa.bbbbbb"
        for session in (forged, "x", ""):
            headers = {"cookie": f"session={session}"}
            answer = httpx.post(
                f"{space.url}/gradio_api/run/kept_until", json={"data": []}, headers=headers, timeout=SECONDS
            )
            assert answer.json()["data"][0]["days"] is not None


def signed_in(space: AppServer) -> dict[str, str]:
    """The cookies of somebody who signed in; by hand, since they are for secure pages only."""
    kept: dict[str, str] = {}
    where = f"{space.url}/login/huggingface"
    for _ in range(6):
        cookies = {"cookie": "; ".join(f"{k}={v}" for k, v in kept.items())}
        answer = httpx.get(where, headers=cookies, timeout=SECONDS)
        for name, value in answer.cookies.jar._cookies.get("127.0.0.1", {}).get("/", {}).items():  # type: ignore[attr-defined]
            kept[name] = str(value.value)
        if "location" not in answer.headers:
            break
        where = str(httpx.URL(where).join(answer.headers["location"]))
    return kept


def test_a_sign_in_ends_when_the_provider_says_so_and_a_script_of_another_site_has_none(
    space: AppServer, provider: Provider
) -> None:
    kept = signed_in(space)
    cookie = {"cookie": f"session={kept['session']}"}
    ask = {"url": f"{space.url}/gradio_api/run/kept_until", "json": {"data": []}, "timeout": SECONDS}
    assert httpx.post(**ask, headers=cookie).json()["data"][0]["days"] is None
    elsewhere = httpx.post(**ask, headers={**cookie, "origin": "https://evil.example"})
    assert elsewhere.status_code == 403 and "data" not in elsewhere.json()
    provider.lasts = 0
    try:
        cookie = {"cookie": f"session={signed_in(space)['session']}"}
        assert httpx.post(**ask, headers=cookie).json()["data"][0]["days"] is not None
    finally:
        provider.lasts = 3600
